//! The user's settings, made safe: every provider simulated, every key invented, every timeout shortened.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::drill_error;
use crate::catalog::{AdapterId, builtin_catalog};
use crate::cli::command::CommandError;
use crate::cli::gateway::no_key_error;
use crate::config::settings::{
    Auth, Bind, Chain, GatewaySettings, Lookup, Provider, ProviderKey, Reference, SecretOrigin, Settings,
};
use crate::failure::TimeoutKind;
use crate::protocol::api::Api;
use crate::record::{Attempt, AttemptOutcome};
use crate::secret::Secret;
use moonrelay_simulator as simulator;

/// Replaces a base URL until the simulator of a case has a port.
const PLACEHOLDER_URL: &str = "http://127.0.0.1:9";

/// What the drill tests.
#[derive(Clone)]
pub(super) struct DrillSetup {
    /// No address in them is outside this machine.
    settings: Settings,
    pub(super) timeouts: Vec<Timeout>,
    pub(super) requested_model: String,
    pub(super) chain: Chain,
    /// Providers of the chain without a key, which are simulated as if they had one.
    pub(super) providers_without_key: Vec<String>,
    /// The simulator that acts as the primary's provider.
    pub(super) primary_simulator: simulator::Provider,
    /// The primary's model, as its provider sees it.
    pub(super) primary_model: String,
    /// The simulator does not know the primary's provider.
    pub(super) is_generic: bool,
    /// The primary's model accepts tools.
    pub(super) accepts_tools: bool,
}

impl DrillSetup {
    /// Uses the chain of `model`, or the default one. Exit 78 for a configuration without a chain, 1 for an unknown
    /// name.
    pub(super) fn load(mut settings: Settings, model: Option<&str>) -> Result<Self, CommandError> {
        if settings.default_chain.references.is_empty() {
            settings.default_chain = chain_assuming_keys(&settings);
        }
        let default = settings.default_chain.references.first().map(ToString::to_string);
        let requested = model.map(str::to_owned).or(default).ok_or_else(|| no_key_error(&settings))?;
        let chain = match settings.lookup(&requested) {
            Lookup::Resolved { chain, .. } => chain.clone(),
            Lookup::Unknown { nearest } => {
                let message = format!("there is no model {requested:?}; nearest: {}", nearest.join(", "));
                return Err(CommandError::failure("unknown_model", message));
            }
        };
        let without_key = isolate_settings(&mut settings, &chain);
        let timeouts = shorten_timeouts(&mut settings);
        let primary = chain.references.iter().find_map(|reference| {
            let provider = settings.providers.get(&reference.provider)?;
            let model = provider.find_model(&reference.model)?;
            provider.disabled_reason.is_none().then_some((provider, model, reference))
        });
        let Some((provider, model, reference)) = primary else {
            let message = "no provider of the chain can be called: see moonrelay config validate";
            return Err(CommandError::configuration(message));
        };
        Ok(Self {
            primary_simulator: simulator_for(provider),
            primary_model: provider.upstream_model_id(&reference.model),
            is_generic: provider.adapter == AdapterId::Generic,
            accepts_tools: model.model.compat.supports_tools != Some(false),
            settings,
            timeouts,
            requested_model: requested,
            chain,
            providers_without_key: without_key,
        })
    }

    /// The providers of the chain, each once.
    pub(super) fn providers(&self) -> Vec<&Arc<Provider>> {
        let mut seen = BTreeSet::new();
        let ids = self.chain.references.iter().map(|reference| &reference.provider);
        let providers = ids.filter(|id| seen.insert(*id)).filter_map(|id| self.settings.providers.get(id));
        providers.filter(|provider| provider.disabled_reason.is_none()).collect()
    }

    /// The id of the provider with the faults.
    pub(super) fn primary_provider(&self) -> Option<&str> {
        self.providers().first().map(|provider| provider.id.as_str())
    }

    /// The settings with `addresses`, pairs of a provider's id and its simulator, as the upstreams. Fails if an
    /// address would still be outside this machine.
    pub(super) fn simulated_settings<'a>(
        &self,
        addresses: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Settings, CommandError> {
        let mut settings = self.settings.clone();
        for (id, address) in addresses {
            let Some(provider) = settings.providers.get_mut(id).map(Arc::make_mut) else { continue };
            let simulator = simulator_for(provider);
            for (api, url) in &mut provider.apis {
                *url = format!("{address}{}", simulator.base_path_for(simulator_api(*api)));
            }
        }
        verify_loopback_only(&settings)?;
        Ok(settings)
    }
}

/// The default chain if every provider of the catalog had a key.
fn chain_assuming_keys(settings: &Settings) -> Chain {
    let known = builtin_catalog().providers.iter().filter(|known| known.is_enabled_by_default);
    let references = known.filter_map(|known| {
        settings.providers.get(&known.id)?.find_model(&known.default_model)?;
        Some(Reference { provider: known.id.clone(), model: known.default_model.clone() })
    });
    Chain { references: references.collect() }
}

/// The simulator for a provider. For a provider that is not known it is Moonshot's, whose API is the simplest.
pub(super) fn simulator_for(provider: &Provider) -> simulator::Provider {
    match (provider.adapter, provider.id.as_str()) {
        (AdapterId::Generic, "anthropic") => simulator::Provider::Anthropic,
        (AdapterId::Generic, "openai") => simulator::Provider::OpenAi,
        (AdapterId::Moonshot | AdapterId::Generic, _) => simulator::Provider::Moonshot,
        (AdapterId::KimiCode, _) => simulator::Provider::Kimi,
        (AdapterId::OpenRouter, _) => simulator::Provider::OpenRouter,
    }
}

const fn simulator_api(api: Api) -> simulator::Api {
    match api {
        Api::ChatCompletions => simulator::Api::ChatCompletions,
        Api::Messages => simulator::Api::Messages,
        Api::Responses => simulator::Api::Responses,
    }
}

/// Removes secrets and addresses outside this machine. Returns the providers of the chain without a key.
fn isolate_settings(settings: &mut Settings, chain: &Chain) -> Vec<String> {
    let mut without_key = Vec::new();
    for (id, provider) in &mut settings.providers {
        let provider = Arc::make_mut(provider);
        let in_chain = chain.references.iter().any(|reference| reference.provider == *id);
        // A provider without a base URL stays disabled; a key may be missing on this machine only.
        if in_chain && provider.disabled_reason.is_some() && !provider.apis.is_empty() {
            without_key.push(id.clone());
            provider.disabled_reason = None;
        }
        if !in_chain {
            provider.disabled_reason = Some("it is not part of the drill".to_owned());
        }
        let keys = provider.keys.len().max(1);
        provider.keys = (0..keys).map(invented_key).collect();
        if provider.auth == Auth::Login {
            (provider.auth, provider.login_file) = (Auth::Bearer, None);
        }
        // Headers may hold keys; the User-Agent identifies the client.
        provider.headers.retain(|header| header.name == http::header::USER_AGENT);
        provider.apis.iter_mut().for_each(|(_, url)| PLACEHOLDER_URL.clone_into(url));
        for model in provider.models.values_mut().filter(|model| !model.headers.is_empty()) {
            Arc::make_mut(model).headers.retain(|header| header.name == http::header::USER_AGENT);
        }
    }
    settings.gateway = GatewaySettings { bind: Bind::Loopback, port: 0, ..GatewaySettings::default() };
    settings.web_search.keys.clear();
    PLACEHOLDER_URL.clone_into(&mut settings.web_search.base_url);
    settings.otlp_endpoint = None;
    settings.usage.is_enabled = false;
    settings.warnings.clear();
    without_key
}

fn invented_key(index: usize) -> ProviderKey {
    ProviderKey { secret: Secret::new(format!("sk-drill-invented-{index}")), origin: SecretOrigin::Drill }
}

/// Fails if a provider could be called outside this machine, or with a real key.
fn verify_loopback_only(settings: &Settings) -> Result<(), CommandError> {
    let is_local = |url: &str| {
        url::Url::parse(url)
            .is_ok_and(|url| matches!(url.host(), Some(url::Host::Ipv4(ip)) if ip.is_loopback()))
    };
    let is_safe = |provider: &Provider| {
        provider.apis.iter().all(|(_, url)| is_local(url))
            && provider.keys.iter().all(|key| key.secret.expose().starts_with("sk-drill-invented-"))
    };
    let unsafe_provider = settings.providers.values().find(|provider| !is_safe(provider));
    unsafe_provider.map_or(Ok(()), |provider| {
        Err(drill_error(format!("{} would not be simulated: nothing was started", provider.id)))
    })
}

/// The shortest timeout of a drill: long enough on a busy machine.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two timeouts, so that their order stays.
const TIMEOUT_STEP: Duration = Duration::from_millis(300);
/// Back-off between attempts is configured, up to this.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// What a timeout limits.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Limit {
    /// An attempt, at every provider.
    Timeout(TimeoutKind),
    /// An attempt at this provider: [`TimeoutKind::Provider`].
    OfProvider(String),
    /// The wait for an attempt before another one is hedged.
    Hedge,
}

/// A timeout of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timeout {
    limit: Limit,
    /// The last key of its setting, or the provider's id.
    pub(super) name: String,
    pub(super) configured: Duration,
    pub(super) shortened: Duration,
}

/// Shortens every timeout and keeps their order. Returns those that an attempt can exceed.
fn shorten_timeouts(settings: &mut Settings) -> Vec<Timeout> {
    let failover = &mut settings.failover;
    failover.initial_backoff = failover.initial_backoff.min(MAX_BACKOFF);
    failover.max_backoff = failover.max_backoff.min(MAX_BACKOFF);
    let of_kind = |kind| Some(Limit::Timeout(kind));
    let mut timeouts = vec![
        (None, "connectSeconds", &mut failover.connect_timeout),
        (None, "keepAliveSeconds", &mut failover.keep_alive_interval),
        (of_kind(TimeoutKind::ResponseHeader), "headSeconds", &mut failover.response_header_timeout),
        (of_kind(TimeoutKind::FirstToken), "firstByteSeconds", &mut failover.first_token_timeout),
        (of_kind(TimeoutKind::Idle), "idleSeconds", &mut failover.idle_timeout),
    ];
    let total = failover.total_timeout.iter_mut();
    timeouts.extend(total.map(|total| (of_kind(TimeoutKind::Total), "totalSeconds", total)));
    let hedge = failover.hedge_after.iter_mut();
    timeouts.extend(hedge.map(|hedge| (Some(Limit::Hedge), "hedgeAfterMs", hedge)));
    timeouts.extend(settings.providers.iter_mut().filter_map(|(id, provider)| {
        let timeout = Arc::make_mut(provider).first_token_timeout.as_mut()?;
        Some((Some(Limit::OfProvider(id.clone())), id.as_str(), timeout))
    }));
    let mut known: Vec<Duration> = timeouts.iter().map(|(.., timeout)| **timeout).collect();
    known.sort_unstable();
    known.dedup();
    let shorten = |(limit, name, timeout): (Option<Limit>, &str, &mut Duration)| {
        let configured = *timeout;
        let index = known.iter().position(|timeout| *timeout == configured).unwrap_or(known.len());
        let shortened = MIN_TIMEOUT + TIMEOUT_STEP * u32::try_from(index).unwrap_or(u32::MAX);
        *timeout = configured.min(shortened);
        Some(Timeout { limit: limit?, name: name.to_owned(), configured, shortened: *timeout })
    };
    timeouts.into_iter().filter_map(shorten).collect()
}

/// The timeout that ended an attempt.
fn exceeded_timeout<'t>(timeouts: &'t [Timeout], attempt: &Attempt) -> Option<&'t Timeout> {
    let limit = match attempt.timeout? {
        TimeoutKind::Provider => {
            Limit::OfProvider(attempt.reference.split('/').next().unwrap_or_default().to_owned())
        }
        kind => Limit::Timeout(kind),
    };
    timeouts.iter().find(|timeout| timeout.limit == limit)
}

/// Replaces the durations of exceeded timeouts in an error by the configured ones.
pub(super) fn with_real_times(timeouts: &[Timeout], attempts: &[Attempt], text: &str) -> String {
    let mut text = text.to_owned();
    for attempt in attempts {
        if let Some((kind, timeout)) = attempt.timeout.zip(exceeded_timeout(timeouts, attempt)) {
            text = text.replacen(&attempt.detail, &kind.message(timeout.configured), 1);
        }
    }
    text
}

/// The time that the attempts would take with the configured timeouts, if they elapsed `elapsed` in the drill.
pub(super) fn estimate_real_time(timeouts: &[Timeout], elapsed: Duration, attempts: &[Attempt]) -> Duration {
    let longer = |timeout: Option<&Timeout>| {
        timeout.map_or(Duration::ZERO, |timeout| timeout.configured.saturating_sub(timeout.shortened))
    };
    let limiting = |limit: Limit| timeouts.iter().find(|timeout| timeout.limit == limit);
    let of_attempt = |attempt: &Attempt| match attempt.outcome {
        AttemptOutcome::Failed(_) => longer(exceeded_timeout(timeouts, attempt)),
        // A hedged request to another target answered.
        AttemptOutcome::Cancelled => longer(limiting(Limit::Hedge)),
        _ => Duration::ZERO,
    };
    let total_time = elapsed + attempts.iter().map(of_attempt).sum::<Duration>();
    limiting(Limit::Timeout(TimeoutKind::Total))
        .map_or(total_time, |total| total_time.min(total.configured.max(elapsed)))
}
