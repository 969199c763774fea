//! Who answers in the place of the model that was asked, said once, and that it is back, said once.

use crate::assistant::turn::Turned;
use crate::config::settings::Reference;

/// What was said of fallbacks so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Who was asked, and who answers for them.
    told: Option<(Reference, Reference)>,
}

impl Notices {
    /// The line for a turn, where something changed.
    pub(super) fn of(&mut self, turned: &Turned) -> Option<String> {
        let (asked, answered) = (turned.asked.as_ref()?, turned.answered.as_ref()?);
        let before = self.told.take();
        if asked == answered {
            let (was, _) = before?;
            return (was == *asked).then(|| format!("↩ {asked} answers again"));
        }
        let now = (asked.clone(), answered.clone());
        let is_news = before.as_ref() != Some(&now);
        self.told = Some(now);
        is_news.then(|| format!("↪ {answered} answers: {}", why(asked, turned)))
    }

    /// Another model, or another session: what was said does not count any more.
    pub(super) fn forget(&mut self) {
        self.told = None;
    }
}

/// What became of the one that was asked.
pub(in crate::cli) fn why(asked: &Reference, turned: &Turned) -> String {
    let tried = turned.attempts.iter().rev().find(|tried| tried.target == *asked && tried.result != "ok");
    match tried.map(|tried| tried.result.as_str()) {
        None => format!("{asked} was not tried"),
        Some("cooling_down") => format!("{asked} rests"),
        Some(reason) => format!("{asked} failed ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::assistant::transcript::Stop;
    use crate::assistant::turn::Tried;

    fn turned(asked: &str, attempts: &[(&str, &str)]) -> Turned {
        let reference = |text: &str| Reference::parse(text).unwrap();
        let tried = |(target, result): &(&str, &str)| Tried {
            target: reference(target),
            result: (*result).to_owned(),
            detail: String::new(),
            took: Duration::ZERO,
        };
        let answered = attempts.last().filter(|(_, result)| *result == "ok");
        Turned {
            answered: answered.map(|(target, _)| reference(target)),
            asked: Some(reference(asked)),
            attempts: attempts.iter().map(tried).collect(),
            text: String::new(),
            spent: None,
            currency: None,
            stop: Stop::Stop,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_change_is_said_once() {
        let mut notices = Notices::default();
        let fallen = turned("kimi/k3", &[("kimi/k3", "rate_limit"), ("openrouter/auto", "ok")]);
        let resting = turned("kimi/k3", &[("kimi/k3", "cooling_down"), ("openrouter/auto", "ok")]);
        let back = turned("kimi/k3", &[("kimi/k3", "ok")]);
        assert_eq!(notices.of(&back), None);
        assert_eq!(notices.of(&fallen).unwrap(), "↪ openrouter/auto answers: kimi/k3 failed (rate_limit)");
        assert_eq!(notices.of(&resting), None);
        assert_eq!(notices.of(&back).unwrap(), "↩ kimi/k3 answers again");
        assert_eq!(notices.of(&back), None);
        assert_eq!(notices.of(&resting).unwrap(), "↪ openrouter/auto answers: kimi/k3 rests");
        let nobody = turned("kimi/k3", &[("kimi/k3", "server")]);
        assert_eq!(notices.of(&nobody), None);
        assert_eq!(notices.of(&back).unwrap(), "↩ kimi/k3 answers again");
    }

    #[test]
    fn another_model_is_no_return() {
        let mut notices = Notices::default();
        let fallen = turned("kimi/k3", &[("kimi/k3", "quota"), ("openrouter/auto", "ok")]);
        notices.of(&fallen).unwrap();
        assert_eq!(notices.of(&turned("openrouter/auto", &[("openrouter/auto", "ok")])), None);
        notices.of(&fallen).unwrap();
        notices.forget();
        assert_eq!(notices.of(&turned("kimi/k3", &[("kimi/k3", "ok")])), None);
    }
}
