//! Images and documents.

use std::borrow::Cow;

use super::super::node::Literal;

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source<'t> {
    /// In the request.
    Data {
        /// The media type; a string without quotes.
        media_type: Cow<'t, str>,
        /// Base64, between quotes.
        data: Literal<'t>,
    },
    /// Elsewhere.
    Url(Literal<'t>),
    /// At the provider.
    Id(Literal<'t>),
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'t> {
    /// Its bytes.
    pub source: Source<'t>,
    /// How closely it is to be looked at: `auto`, `low`, `high`.
    pub detail: Option<Literal<'t>>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File<'t> {
    /// Its bytes.
    pub source: Source<'t>,
    /// Its name or title.
    pub name: Option<Literal<'t>>,
}

impl<'t> Source<'t> {
    /// Of a URL, which may hold the data itself (RFC 2397).
    #[must_use]
    pub fn of_url(url: Literal<'t>) -> Self {
        let data = url.text().strip_prefix("data:").and_then(|rest| {
            let (terms, data) = rest.split_once(',')?;
            let media_type = terms.strip_suffix(";base64")?;
            let media_type = media_type.split(';').next().unwrap_or_default();
            Some((media_type.to_owned(), Literal::of(data)))
        });
        match data {
            Some((media_type, data)) => Self::Data { media_type: Cow::Owned(media_type), data },
            None => Self::Url(url),
        }
    }

    /// As a URL; an id has none.
    #[must_use]
    pub fn url(&self) -> Option<Literal<'t>> {
        match self {
            Self::Data { media_type, data } => Some(data.wrapped(&format!("data:{media_type};base64,"), "")),
            Self::Url(url) => Some(url.clone()),
            Self::Id(_) => None,
        }
    }
}
