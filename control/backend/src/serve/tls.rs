//! Certificate and key, from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::TlsSettings;

/// The certificate or the key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}; {cure}", path.display())]
pub struct TlsError {
    path: PathBuf,
    what: String,
    cure: &'static str,
}

/// What both files come to: TLS 1.2 and 1.3, HTTP/1.1.
pub(crate) fn load(settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&settings.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| of_file(&settings.certificate, &error))?;
    if chain.is_empty() {
        return Err(of_file(&settings.certificate, &pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| of_file(&settings.key, &error))?;
    let failed = |error: tokio_rustls::rustls::Error| TlsError {
        path: settings.certificate.clone(),
        what: error.to_string(),
        cure: "give the certificate, with its chain, that belongs to the key",
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn of_file(path: &Path, error: &pem::Error) -> TlsError {
    let (what, cure) = match error {
        pem::Error::Io(error) => {
            (error.to_string(), "check the path, and that the service's user may read it")
        }
        pem::Error::NoItemsFound => (
            "nothing of PEM that would do is in it".to_owned(),
            "give the file in PEM, as `openssl` writes it",
        ),
        other => (format!("{other:?}"), "give the file in PEM, as `openssl` writes it"),
    };
    TlsError { path: path.to_owned(), what, cure }
}
