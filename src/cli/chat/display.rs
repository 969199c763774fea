//! `/reasoning` and `/usage`: what is shown beside the answers.

use super::model::Told;
use super::talk::Talk;
use super::totals::totals;
use crate::assistant::command::{Footer, Reasoning};

impl Talk {
    /// `/reasoning`.
    pub(super) fn set_reasoning(&mut self, wanted: Option<Reasoning>) -> Told {
        let Some(wanted) = wanted else {
            let text =
                format!("Reasoning: {}. Options: {}.", self.reasoning.word(), Reasoning::WORDS.join(", "));
            return Ok(Ok(self.say(&text)?));
        };
        self.reasoning = wanted;
        Ok(Ok(self.say(match wanted {
            Reasoning::Off => "Reasoning is hidden.",
            Reasoning::On => "Reasoning is shown before the answer.",
            Reasoning::Stream => "Reasoning is shown as it comes.",
        })?))
    }

    /// `/usage`.
    pub(super) async fn set_usage(&mut self, wanted: Option<Footer>) -> Told {
        let Some(wanted) = wanted else {
            let text =
                format!("Usage footer: {}. Options: {}.", self.footer.word(), Footer::WORDS.join(", "));
            return Ok(Ok(self.say(&text)?));
        };
        self.footer = wanted;
        let mut lines = vec![format!("Usage footer: {}.", wanted.word())];
        if wanted == Footer::Cost {
            let spent = match self.hold().await {
                Ok(session) => session.spent(),
                Err(error) => return Ok(Err(error.to_string())),
            };
            lines.extend(totals(&spent, &self.world.environment).await);
        }
        Ok(Ok(self.say(&lines.join("\n"))?))
    }
}
