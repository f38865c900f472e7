//! The page's files, which are part of the program.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::problem::{Kind, Problem};

/// A file below `page/`.
struct File {
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal $kind:literal)*) => {
        &[$(File { path: $path, kind: $kind, bytes: include_bytes!(concat!("../page/", $path)) }),*]
    };
}

/// Every file that is served; a test holds the list to the folder.
const FILES: &[File] = files! {
    "api.js" "text/javascript; charset=utf-8"
    "app.js" "text/javascript; charset=utf-8"
    "base.css" "text/css; charset=utf-8"
    "begin.js" "text/javascript; charset=utf-8"
    "clients.js" "text/javascript; charset=utf-8"
    "dom.js" "text/javascript; charset=utf-8"
    "done-ru.js" "text/javascript; charset=utf-8"
    "draft.js" "text/javascript; charset=utf-8"
    "drawer.js" "text/javascript; charset=utf-8"
    "en.js" "text/javascript; charset=utf-8"
    "events.js" "text/javascript; charset=utf-8"
    "explain.js" "text/javascript; charset=utf-8"
    "fields.js" "text/javascript; charset=utf-8"
    "groups.js" "text/javascript; charset=utf-8"
    "i18n.js" "text/javascript; charset=utf-8"
    "icon.svg" "image/svg+xml"
    "index.html" "text/html; charset=utf-8"
    "keep.js" "text/javascript; charset=utf-8"
    "live.js" "text/javascript; charset=utf-8"
    "login.js" "text/javascript; charset=utf-8"
    "now.js" "text/javascript; charset=utf-8"
    "parts.css" "text/css; charset=utf-8"
    "ports.js" "text/javascript; charset=utf-8"
    "provider.js" "text/javascript; charset=utf-8"
    "review.js" "text/javascript; charset=utf-8"
    "ru.js" "text/javascript; charset=utf-8"
    "said-ru.js" "text/javascript; charset=utf-8"
    "sentences.js" "text/javascript; charset=utf-8"
    "service.js" "text/javascript; charset=utf-8"
    "spark.js" "text/javascript; charset=utf-8"
    "standing.js" "text/javascript; charset=utf-8"
    "theme.js" "text/javascript; charset=utf-8"
    "told-ru.js" "text/javascript; charset=utf-8"
    "told.js" "text/javascript; charset=utf-8"
    "toml.js" "text/javascript; charset=utf-8"
};

/// Names these very files: a browser that has them need not fetch them again.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in FILES {
        hash.update(file.bytes);
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
});

/// A file of the page; `/` is `index.html`. Anybody may have them: they hold no secret, and are how one logs in.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Problem::new(Kind::MethodNotAllowed, "the page is only read", "use GET").into_response();
    }
    let path = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return Problem::new(Kind::NotFound, "no such file", "the page is at /").into_response();
    };
    let headers_out = [(CONTENT_TYPE, file.kind), (CACHE_CONTROL, "no-cache"), (ETAG, TAG.as_str())];
    if headers.get(IF_NONE_MATCH).is_some_and(|tag| tag == TAG.as_str()) {
        return (StatusCode::NOT_MODIFIED, headers_out).into_response();
    }
    (headers_out, file.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let mut there: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        let mut served: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        served.sort();
        assert_eq!(served, there);
    }

    #[test]
    fn nothing_of_the_page_is_inline_or_from_outside() {
        for file in FILES.iter().filter(|file| file.path.ends_with(".html")) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            for word in ["<script>", "<style", " style=", " onclick=", "http://", "https://", "src=\"//"] {
                assert!(!text.contains(word), "{}: {word}", file.path);
            }
        }
    }
}
