//! Images and documents.

use std::borrow::Cow;

use super::super::node::StringLiteral;

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource<'t> {
    /// In the request.
    Data {
        /// The media type; a string without quotes.
        media_type: Cow<'t, str>,
        /// Base64, between quotes.
        data: StringLiteral<'t>,
    },
    /// Elsewhere.
    Url(StringLiteral<'t>),
    /// At the provider.
    FileId(StringLiteral<'t>),
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBlock<'t> {
    /// Its bytes.
    pub source: MediaSource<'t>,
    /// How closely it is to be looked at: `auto`, `low`, `high`.
    pub detail: Option<StringLiteral<'t>>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBlock<'t> {
    /// Its bytes.
    pub source: MediaSource<'t>,
    /// Its name or title.
    pub name: Option<StringLiteral<'t>>,
}

impl<'t> MediaSource<'t> {
    /// From a URL, which may contain the data itself (RFC 2397).
    #[must_use]
    pub fn from_url(url: StringLiteral<'t>) -> Self {
        let data = url.text().strip_prefix("data:").and_then(|rest| {
            let (terms, data) = rest.split_once(',')?;
            let media_type = terms.strip_suffix(";base64")?;
            let media_type = media_type.split(';').next().unwrap_or_default();
            Some((media_type.to_owned(), StringLiteral::from_text(data)))
        });
        match data {
            Some((media_type, data)) => Self::Data { media_type: Cow::Owned(media_type), data },
            None => Self::Url(url),
        }
    }

    /// As a URL; `None` for an id.
    #[must_use]
    pub fn to_url(&self) -> Option<StringLiteral<'t>> {
        match self {
            Self::Data { media_type, data } => Some(data.wrap(&format!("data:{media_type};base64,"), "")),
            Self::Url(url) => Some(url.clone()),
            Self::FileId(_) => None,
        }
    }
}
