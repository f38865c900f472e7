//! TLS by certificate files.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use backend::settings::TlsSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Backend, PASSWORD};

/// A certificate for this machine that nobody has signed, and its key.
fn make(folder: &Path) -> TlsSettings {
    let (certificate, key) = (folder.join("crt.pem"), folder.join("key.pem"));
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                 -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl");
    assert!(output.status.success(), "{output:?}");
    TlsSettings { certificate, key }
}

/// The whole answer to a request over TLS, to a client that trusts this certificate alone.
fn ask(backend: &Backend, certificate: &Path, text: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(backend.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    })
}

#[test]
fn under_tls_cookies_are_secure_and_plain_text_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let tls = make(folder.path());
    let backend = Backend::start(|settings| settings.tls = Some(tls.clone()));
    let body = format!("{{\"user\":\"ann\",\"password\":\"{PASSWORD}\"}}");
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&backend, &tls.certificate, &head).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.starts_with("__Host-manifold-session=") && cookie.contains("; Secure"), "{cookie}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");

    let mut plain = backend.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let tls = make(folder.path());
    let backend = Backend::start(|settings| settings.tls = Some(tls.clone()));
    let serves = || {
        ask(&backend, &tls.certificate, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .is_ok()
    };
    assert!(serves());
    make(folder.path());
    assert!(!serves(), "the old one is in force");
    backend.server.reload_tls();
    assert!(serves(), "the new one is");
    fs::write(&tls.key, "broken").unwrap();
    backend.server.reload_tls();
    assert!(serves(), "it stays");
}

#[test]
fn files_that_will_not_do_are_told_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (tls, another) = (make(folder.path()), make(other.path()));
    let none = TlsSettings { certificate: folder.path().join("none"), ..tls.clone() };
    let swapped = TlsSettings { certificate: tls.key.clone(), key: tls.certificate.clone() };
    let strangers = TlsSettings { key: another.key, ..tls };
    for (settings, cure) in [
        (none, "check the path, and that the service's user may read it"),
        (swapped, "give the file in PEM"),
        (strangers, "that belongs to the key"),
    ] {
        let error = Backend::refused(|all| all.tls = Some(settings.clone()));
        assert!(error.contains(cure), "{error}");
    }
}
