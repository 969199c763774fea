//! The playground sends a prompt to a model from the page. The page's script does all of it, so the button is
//! enabled by the script.

use maud::{Markup, html};

use crate::config::settings::Reference;
use crate::routing::Engine;

/// Names to choose from.
struct ModelChoices {
    /// `default`, aliases and routes.
    names: Vec<String>,
    /// References of the chain.
    chain: Vec<String>,
}

impl ModelChoices {
    fn from_engine(relay: &Engine) -> Self {
        let settings = relay.settings();
        let is_reference = |id: &str| {
            Reference::parse(id).is_some_and(|reference| settings.providers.contains_key(&reference.provider))
        };
        let offered = relay.list_models().into_iter().map(|offered| offered.id);
        let mut names: Vec<String> = vec!["default".to_owned()];
        names.extend(offered.filter(|id| id != "default" && !is_reference(id)));
        let usable = |reference: &&Reference| {
            settings
                .providers
                .get(&reference.provider)
                .is_some_and(|provider| provider.disabled_reason.is_none())
        };
        let chain =
            settings.default_chain.references.iter().filter(usable).map(ToString::to_string).collect();
        Self { names, chain }
    }
}

/// The section.
pub(super) fn render_section(relay: &Engine) -> Markup {
    let choices = ModelChoices::from_engine(relay);
    let asks_token = !relay.settings().gateway.tokens.is_empty();
    html! {
        h2 id="try-title" { "Try it" }
        noscript { p.notice { "The test box and live updates need JavaScript." } }
        form id="try-form" {
            div.fields {
                label for="try-choice" { "Model" }
                select id="try-choice" name="model" {
                    optgroup label="Names" { @for name in &choices.names { option { (name) } } }
                    @if !choices.chain.is_empty() {
                        optgroup label="The chain" { @for name in &choices.chain { option { (name) } } }
                    }
                }
                @if asks_token {
                    label for="try-token" { "Token" }
                    input id="try-token" name="token" type="password" autocomplete="off" spellcheck="false"
                        aria-describedby="try-token-note" required;
                    span.muted id="try-token-note" { "one of gateway.auth; it is sent with this request and kept nowhere" }
                }
            }
            label for="try-prompt" { "Prompt" }
            textarea id="try-prompt" name="prompt" rows="3" required { "In one sentence: why does the moon have phases?" }
            div.buttons {
                button type="submit" disabled { "Send" }
                button id="try-stop" type="button" disabled { "Stop" }
                span.muted id="try-state" role="status" {}
            }
        }
        div.answer {
            p id="try-error" role="alert" hidden {}
            p { span.muted { "Answered by " } output id="try-model" { "–" } }
            div id="try-answer" role="region" aria-live="polite" aria-label="Answer" tabindex="0" {}
            ol id="try-attempts" aria-label="Attempts" {}
        }
    }
}
