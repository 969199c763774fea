//! The user's settings, made safe: every upstream simulated, every key invented.

use std::path::Path;
use std::sync::Arc;

use super::timeouts::{self, Timeout};
use crate::catalog::{AdapterId, builtin_catalog};
use crate::cli::exit::CommandError;
use crate::cli::gateway::no_key_error;
use crate::config::settings::{
    Auth, Bind, Chain, GatewaySettings, Lookup, Provider, ProviderKey, Reference, SecretOrigin, Settings,
};
use crate::config::{self, Environment};
use crate::protocol::api::Api;
use crate::secret::Secret;
use crate::simulator;

/// What takes the place of a base URL until the simulator of a case has a port.
const PLACEHOLDER_URL: &str = "http://127.0.0.1:9";

/// What is drilled.
#[derive(Clone)]
pub(super) struct DrillSetup {
    /// Nothing in them leads out of this machine.
    settings: Settings,
    pub(super) timeouts: Vec<Timeout>,
    /// The model that the client requests.
    pub(super) requested_model: String,
    pub(super) chain: Chain,
    /// Providers of the chain that have no key here and are drilled as if they had one.
    pub(super) providers_without_key: Vec<String>,
    /// The simulator that acts as the primary's provider.
    pub(super) primary_simulator: simulator::Provider,
    /// The primary's model, as its provider sees it.
    pub(super) primary_model: String,
    /// The primary's provider is none that the simulator knows.
    pub(super) is_generic: bool,
    /// The primary's model may be offered tools.
    pub(super) accepts_tools: bool,
}

impl DrillSetup {
    /// Reads the configuration and takes the chain of `model`, or the default one.
    ///
    /// # Errors
    /// Exit 78 for a bad configuration or one without a chain, 1 for a name that leads nowhere.
    pub(super) fn load(
        file: Option<&Path>,
        environment: &Environment,
        model: Option<&str>,
    ) -> Result<Self, CommandError> {
        let mut settings = config::load(file, environment)?;
        if settings.default_chain.references.is_empty() {
            settings.default_chain = chain_assuming_keys(&settings);
        }
        let default = settings.default_chain.references.first().map(ToString::to_string);
        let requested = model.map(str::to_owned).or(default).ok_or_else(|| no_key_error(&settings))?;
        let chain = match settings.lookup(&requested) {
            Lookup::Resolved { chain, .. } => chain.clone(),
            Lookup::Unknown { nearest } => {
                let message = format!("nothing is called {requested:?}; nearest: {}", nearest.join(", "));
                return Err(CommandError::failure("unknown_model", message));
            }
        };
        let without_key = isolate_settings(&mut settings, &chain);
        let clocks = timeouts::shorten_timeouts(&mut settings);
        let usable = chain.references.iter().find_map(|reference| find_primary(&settings, reference));
        let Some((provider, reference)) = usable else {
            let message = "no provider of the chain can be called: see moonrelay config validate";
            return Err(CommandError::configuration(message));
        };
        let facts = provider.find_model(&reference.model);
        Ok(Self {
            primary_simulator: simulator_for(provider.adapter),
            primary_model: provider.upstream_model_id(&reference.model),
            is_generic: provider.adapter == AdapterId::Generic,
            accepts_tools: facts.is_none_or(|model| model.model.compat.supports_tools != Some(false)),
            settings,
            timeouts: clocks,
            requested_model: requested,
            chain,
            providers_without_key: without_key,
        })
    }

    /// The providers of the chain, each once.
    pub(super) fn providers(&self) -> Vec<&Arc<Provider>> {
        let mut providers: Vec<&Arc<Provider>> = Vec::new();
        for reference in &self.chain.references {
            if let Some(provider) = self.settings.providers.get(&reference.provider)
                && provider.disabled_reason.is_none()
                && !providers.iter().any(|known| known.id == provider.id)
            {
                providers.push(provider);
            }
        }
        providers
    }

    /// The id of the provider on which the faults are.
    pub(super) fn primary_provider(&self) -> Option<&str> {
        self.providers().first().map(|provider| provider.id.as_str())
    }

    /// The settings with `addresses`, pairs of a provider's id and its simulator, as the upstreams.
    ///
    /// # Errors
    /// When something would still lead elsewhere: then nothing is started.
    pub(super) fn simulated_settings(
        &self,
        addresses: &[(String, String)],
    ) -> Result<Settings, CommandError> {
        let mut settings = self.settings.clone();
        for (id, address) in addresses {
            let Some(provider) = settings.providers.get_mut(id).map(Arc::make_mut) else { continue };
            let player = simulator_for(provider.adapter);
            let at = |face: Api| format!("{address}{}", player.base_path_for(simulator_api(face)));
            provider.apis.iter_mut().for_each(|(face, url)| *url = at(*face));
        }
        verify_loopback_only(&settings)?;
        Ok(settings)
    }
}

/// What the default chain would be if every provider of the catalog had a key.
fn chain_assuming_keys(settings: &Settings) -> Chain {
    let known = builtin_catalog().providers.iter().filter(|known| known.is_enabled_by_default);
    let references = known.filter_map(|known| {
        settings.providers.get(&known.id)?.find_model(&known.default_model)?;
        Some(Reference { provider: known.id.clone(), model: known.default_model.clone() })
    });
    Chain { references: references.collect() }
}

/// The first reference that would be tried.
fn find_primary<'s>(settings: &'s Settings, reference: &Reference) -> Option<(&'s Provider, Reference)> {
    let provider = settings.providers.get(&reference.provider)?;
    (provider.disabled_reason.is_none() && provider.find_model(&reference.model).is_some())
        .then(|| (provider.as_ref(), reference.clone()))
}

/// The simulator for a provider with this adapter. Moonshot's API is the simplest of the three.
const fn simulator_for(dialect: AdapterId) -> simulator::Provider {
    match dialect {
        AdapterId::Moonshot | AdapterId::Generic => simulator::Provider::Moonshot,
        AdapterId::KimiCode => simulator::Provider::Kimi,
        AdapterId::OpenRouter => simulator::Provider::OpenRouter,
    }
}

const fn simulator_api(face: Api) -> simulator::Api {
    match face {
        Api::ChatCompletions => simulator::Api::ChatCompletions,
        Api::Messages => simulator::Api::Messages,
        Api::Responses => simulator::Api::Responses,
    }
}

/// Takes out whatever is secret or leads out of this machine. Returns the providers of the chain without a key.
fn isolate_settings(settings: &mut Settings, chain: &Chain) -> Vec<String> {
    let mut without_key = Vec::new();
    for (id, provider) in &mut settings.providers {
        let provider = Arc::make_mut(provider);
        let in_chain = chain.references.iter().any(|reference| reference.provider == *id);
        // A provider without a base URL stays off; a key is something that this machine may not see.
        if in_chain && provider.disabled_reason.is_some() && !provider.apis.is_empty() {
            without_key.push(id.clone());
            provider.disabled_reason = None;
        }
        if !in_chain {
            provider.disabled_reason = Some("it is no part of this drill".to_owned());
        }
        let keys = provider.keys.len().max(1);
        provider.keys = (0..keys).map(invented_key).collect();
        if provider.auth == Auth::Login {
            (provider.auth, provider.login_file) = (Auth::Bearer, None);
        }
        // Headers may hold keys; the User-Agent is what a client would be known by.
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

/// # Errors
/// When any provider could be called elsewhere or with a key that is not invented.
fn verify_loopback_only(settings: &Settings) -> Result<(), CommandError> {
    let here = |url: &str| {
        url::Url::parse(url)
            .is_ok_and(|url| matches!(url.host(), Some(url::Host::Ipv4(ip)) if ip.is_loopback()))
    };
    let safe = |provider: &Provider| {
        provider.apis.iter().all(|(_, url)| here(url))
            && provider.keys.iter().all(|key| key.secret.expose().starts_with("sk-drill-invented-"))
    };
    match settings.providers.values().find(|provider| !safe(provider)) {
        None => Ok(()),
        Some(provider) => {
            let message = format!("{} would not be simulated: nothing was started", provider.id);
            Err(CommandError::failure("drill_error", message))
        }
    }
}
