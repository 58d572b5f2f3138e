//! What the environment says of the hub, by the variables of Python's huggingface_hub.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

const HUB: &str = "https://huggingface.co";
/// A file that is longer holds no token.
const TOKEN_CAP: u64 = 4 << 10;

/// Which hub, as whom, and where downloads are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its address, without a slash at the end (`HF_ENDPOINT`).
    pub endpoint: String,
    /// The folder of downloads (`HF_HUB_CACHE`; else `hub` in `HF_HOME`).
    pub cache: PathBuf,
    /// Who asks (`HF_TOKEN`; else the file that `HF_TOKEN_PATH` names, else `token` in `HF_HOME`).
    pub token: Option<String>,
    /// Nothing is asked; what was downloaded before is used (`HF_HUB_OFFLINE`).
    pub offline: bool,
}

impl Settings {
    /// By the variables that `get` knows.
    ///
    /// # Errors
    /// [`Error::Option`] if no folder can be told; [`Error::FileAccess`] for a token's file that cannot be read.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let said = |name: &str| get(name).filter(|value| !value.is_empty());
        let word = |name: &str| said(name).map(|value| value.to_string_lossy().trim().to_string());
        let is_yes = |name: &str| {
            let value = word(name).unwrap_or_default().to_uppercase();
            matches!(value.as_str(), "1" | "ON" | "YES" | "TRUE")
        };
        let own = said("HOME")
            .or_else(|| said("USERPROFILE"))
            .map(PathBuf::from);
        let folder = |name: &str| {
            let path = said(name).map(PathBuf::from)?;
            Some(match (path.strip_prefix("~"), &own) {
                (Ok(below), Some(own)) => own.join(below),
                _ => path,
            })
        };
        let caches = || folder("XDG_CACHE_HOME").or_else(|| Some(own.as_ref()?.join(".cache")));
        let home = folder("HF_HOME").or_else(|| Some(caches()?.join("huggingface")));
        let cache = folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or_else(|| Error::Option {
                option: "HF_HOME".into(),
                reason: "there is no home folder; name one where downloads are to be kept".into(),
            })?;
        let token_file = || folder("HF_TOKEN_PATH").or_else(|| Some(home.as_ref()?.join("token")));
        let named = word("HF_TOKEN").or_else(|| word("HUGGING_FACE_HUB_TOKEN"));
        let token = match (named.filter(|token| !token.is_empty()), token_file()) {
            _ if is_yes("HF_HUB_DISABLE_IMPLICIT_TOKEN") => None,
            (Some(token), _) => Some(token),
            (None, Some(path)) => read_token(&path)?,
            (None, None) => None,
        };
        let endpoint = word("HF_ENDPOINT").unwrap_or_else(|| HUB.into());
        Ok(Settings {
            endpoint: endpoint.trim_end_matches('/').into(),
            cache,
            token,
            offline: is_yes("HF_HUB_OFFLINE"),
        })
    }
}

/// The token in a file that `hf auth login` wrote, if there is one.
fn read_token(path: &Path) -> Result<Option<String>> {
    let failed = |reason: String| Error::FileAccess {
        file: path.display().to_string(),
        reason,
    };
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = files::read(path, TOKEN_CAP).map_err(|error| failed(error.to_string()))?;
    let token = String::from_utf8(bytes).map_err(|_| failed("a token is of ASCII".into()))?;
    Ok(Some(token.trim().to_string()).filter(|token| !token.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Settings::read(get).expect("settings")
    }

    #[test]
    fn folders_are_those_of_pythons_library() {
        let cache = |variables: &[(&str, &str)]| read(variables).cache;
        assert_eq!(
            cache(&[("HOME", "/h")]),
            Path::new("/h/.cache/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            Path::new("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("HF_HOME", "~/hf")]),
            Path::new("/h/hf/hub")
        );
        let both = [("HF_HUB_CACHE", "/c"), ("HF_HOME", "/hf")];
        assert_eq!(cache(&both), Path::new("/c"));
        assert!(Settings::read(|_| None).is_err());
    }

    #[test]
    fn the_token_is_found_where_python_finds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().display().to_string();
        let other = folder.path().join("other");
        assert_eq!(read(&[("HF_HOME", &home)]).token, None);
        std::fs::write(folder.path().join("token"), "hf_a\n").expect("written");
        std::fs::write(&other, " hf_b ").expect("written");
        let other = other.display().to_string();
        let token = |variables: &[(&str, &str)]| read(variables).token.unwrap_or_default();
        assert_eq!(token(&[("HF_HOME", &home)]), "hf_a");
        assert_eq!(
            token(&[("HF_HOME", &home), ("HF_TOKEN_PATH", &other)]),
            "hf_b"
        );
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN", "hf_c")]), "hf_c");
        assert_eq!(token(&[("HF_HOME", &home), ("HF_TOKEN", "")]), "hf_a");
        assert_eq!(
            token(&[("HF_HOME", &home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]),
            ""
        );
    }

    #[test]
    fn which_hub_and_whether_it_is_asked() {
        let settings = read(&[("HOME", "/h")]);
        assert_eq!((settings.endpoint.as_str(), settings.offline), (HUB, false));
        let settings = read(&[
            ("HOME", "/h"),
            ("HF_ENDPOINT", "http://127.0.0.1:1/"),
            ("HF_HUB_OFFLINE", "yes"),
        ]);
        assert_eq!(
            (settings.endpoint.as_str(), settings.offline),
            ("http://127.0.0.1:1", true)
        );
    }
}
