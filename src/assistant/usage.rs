//! Usage and cost of answers, as transcripts store them.

use serde::{Deserialize, Serialize};

use crate::catalog::TokenPrices;
use crate::protocol::amount::Amount;
use crate::protocol::usage::TokenUsage;

/// Usage of an answer in tokens, and its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerUsage {
    /// Uncached input.
    pub input: u64,
    /// Output, including reasoning.
    pub output: u64,
    /// Input read from the provider's cache.
    pub cache_read: u64,
    /// Input written to the provider's cache.
    pub cache_write: u64,
    /// Sum of the four.
    pub total_tokens: u64,
    /// In the account's currency; `None` if no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<AnswerCosts>,
}

impl AnswerUsage {
    /// Adds the tokens. The cost stays as it is, because the currencies may differ.
    pub(super) fn add_tokens(&mut self, more: &Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.total_tokens = self.total_tokens.saturating_add(more.total_tokens);
    }
}

impl From<&TokenUsage> for AnswerUsage {
    /// Without a cost.
    fn from(usage: &TokenUsage) -> Self {
        Self {
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            total_tokens: usage.prompt_tokens().saturating_add(usage.output),
            cost: None,
        }
    }
}

/// Cost of an answer by kind of token, in units of one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCosts {
    /// Uncached input.
    #[serde(with = "amount")]
    pub input: Amount,
    /// Output, including reasoning.
    #[serde(with = "amount")]
    pub output: Amount,
    /// Input read from the provider's cache.
    #[serde(with = "amount")]
    pub cache_read: Amount,
    /// Input written to the provider's cache.
    #[serde(with = "amount")]
    pub cache_write: Amount,
    /// Total: the provider's own figure if reported, else the sum of the others.
    #[serde(with = "amount")]
    pub total: Amount,
    /// The account's currency. USD is omitted, because OpenClaw supports dollars only.
    #[serde(default, skip_serializing_if = "Currency::is_dollar")]
    pub currency: Currency,
}

impl AnswerCosts {
    /// The cost of these tokens at these prices.
    pub(super) fn from_prices(prices: &TokenPrices, usage: &TokenUsage, currency: Currency) -> Self {
        Self {
            input: Amount::from_tokens(usage.input, prices.input),
            output: Amount::from_tokens(usage.output, prices.output),
            cache_read: Amount::from_tokens(usage.cache_read, prices.cache_read),
            cache_write: prices.cache_write_cost(usage),
            total: prices.compute_cost(usage),
            currency,
        }
    }

    /// Adds costs in the same currency.
    pub(super) fn add(&mut self, more: &Self) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
        self.cache_read = self.cache_read.saturating_add(more.cache_read);
        self.cache_write = self.cache_write.saturating_add(more.cache_write);
        self.total = self.total.saturating_add(more.total);
    }
}

/// An amount as a JSON number.
pub(super) mod amount {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::protocol::amount::Amount;

    pub(in crate::assistant) fn serialize<S: Serializer>(
        amount: &Amount,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        into.serialize_f64(amount.as_f64())
    }

    pub(in crate::assistant) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
        let number = serde_json::Number::deserialize(from)?;
        Amount::parse(&number.to_string())
            .ok_or_else(|| D::Error::custom("a cost must be a number of at least 0"))
    }
}

/// A code of ISO 4217 [default: USD]. Amounts of two currencies are never added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Three capital letters; `None` for anything else.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let letters: [u8; 3] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        // Letters of ASCII are text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn is_dollar(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self(*b"USD")
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code).ok_or("a currency must be three capital letters")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}
