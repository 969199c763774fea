//! `/reasoning` and `/usage`: what is shown beside the answers.

use super::chat_loop::Chat;
use super::model_commands::CommandOutcome;
use super::usage_totals::usage_totals;
use crate::assistant::command::{ReasoningDisplay, UsageFooter};

impl Chat {
    /// `/reasoning`.
    pub(super) fn set_reasoning(&mut self, wanted: Option<ReasoningDisplay>) -> CommandOutcome {
        let Some(wanted) = wanted else {
            let text = format!(
                "Reasoning: {}. Options: {}.",
                self.reasoning.as_str(),
                ReasoningDisplay::NAMES.join(", ")
            );
            return Ok(Ok(self.print_reply(&text)?));
        };
        self.reasoning = wanted;
        Ok(Ok(self.print_reply(match wanted {
            ReasoningDisplay::Off => "Reasoning is hidden.",
            ReasoningDisplay::On => "Reasoning is shown before the answer.",
            ReasoningDisplay::Stream => "Reasoning is shown as it comes.",
        })?))
    }

    /// `/usage`.
    pub(super) async fn set_usage(&mut self, wanted: Option<UsageFooter>) -> CommandOutcome {
        let Some(wanted) = wanted else {
            let text = format!(
                "Usage footer: {}. Options: {}.",
                self.footer.as_str(),
                UsageFooter::NAMES.join(", ")
            );
            return Ok(Ok(self.print_reply(&text)?));
        };
        self.footer = wanted;
        let mut lines = vec![format!("Usage footer: {}.", wanted.as_str())];
        if wanted == UsageFooter::Cost {
            let spent = match self.lock_session().await {
                Ok(session) => session.usage(),
                Err(error) => return Ok(Err(error.to_string())),
            };
            lines.extend(usage_totals(&spent, &self.gateway_context.environment).await);
        }
        Ok(Ok(self.print_reply(&lines.join("\n"))?))
    }
}
