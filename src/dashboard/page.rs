//! The frame of every page, and the playground. Its script does all the work, so the script enables its button.

use maud::{DOCTYPE, Markup, html};

use super::format::LocalTime;
use crate::record::to_unix_millis;

/// A whole page. `top` is placed next to the name.
pub(crate) fn render_page(title: &str, clock: &LocalTime, top: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/dashboard/style.css";
                script src="/dashboard/app.js" defer {}
            }
            body data-now=(to_unix_millis(clock.now)) {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.brand href="/" { img src="/dashboard/icon.svg" alt="" width="22" height="22"; "Moonrelay" }
                    (top)
                }
                main id="main" tabindex="-1" { (content) }
            }
        }
    }
}

/// Names to choose from in the playground.
pub(crate) struct ModelChoices {
    /// `default`, aliases and routes.
    pub(crate) names: Vec<String>,
    /// References of the chain.
    pub(crate) chain: Vec<String>,
    /// Whether a request needs a client token.
    pub(crate) needs_token: bool,
}

/// The section with the playground.
pub(crate) fn render_playground(choices: &ModelChoices) -> Markup {
    html! {
        h2 id="try-title" { "Try it" }
        noscript { p.notice { "The playground and live updates need JavaScript." } }
        form id="try-form" {
            div.fields {
                label for="try-choice" { "Model" }
                select id="try-choice" name="model" {
                    optgroup label="Names" { @for name in &choices.names { option { (name) } } }
                    @if !choices.chain.is_empty() {
                        optgroup label="Fallback chain" { @for name in &choices.chain { option { (name) } } }
                    }
                }
                @if choices.needs_token {
                    label for="try-token" { "Token" }
                    input id="try-token" name="token" type="password" autocomplete="off" spellcheck="false"
                        aria-describedby="try-token-note" required;
                    span.muted id="try-token-note" { "a token of gateway.auth; it is sent with this request and not stored" }
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
