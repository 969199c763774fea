//! Notices that a fallback answers instead of the requested model, and that the model is back; each shown once.

use crate::assistant::turn::TurnResult;
use crate::config::settings::Reference;

/// What was said of fallbacks so far.
#[derive(Debug, Default)]
pub(super) struct FallbackNotices {
    /// The requested model, and the one that answers instead.
    last_notice: Option<(Reference, Reference)>,
}

impl FallbackNotices {
    /// The line for a turn, where something changed.
    pub(super) fn notice_for(&mut self, turned: &TurnResult) -> Option<String> {
        let (asked, answered) = (turned.primary.as_ref()?, turned.answered_by.as_ref()?);
        let before = self.last_notice.take();
        if asked == answered {
            let (was, _) = before?;
            return (was == *asked).then(|| format!("↩ {asked} answers again"));
        }
        let now = (asked.clone(), answered.clone());
        let is_news = before.as_ref() != Some(&now);
        self.last_notice = Some(now);
        is_news.then(|| format!("↪ {answered} answers: {}", failure_reason(asked, turned)))
    }

    /// Another model, or another session: what was said does not count any more.
    pub(super) fn reset(&mut self) {
        self.last_notice = None;
    }
}

/// The state of the requested model.
pub(in crate::cli) fn failure_reason(asked: &Reference, turned: &TurnResult) -> String {
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
    use crate::assistant::transcript::StopReason;
    use crate::assistant::turn::TurnAttempt;

    fn turned(asked: &str, attempts: &[(&str, &str)]) -> TurnResult {
        let reference = |text: &str| Reference::parse(text).unwrap();
        let tried = |(target, result): &(&str, &str)| TurnAttempt {
            target: reference(target),
            result: (*result).to_owned(),
            detail: String::new(),
            duration: Duration::ZERO,
        };
        let answered = attempts.last().filter(|(_, result)| *result == "ok");
        TurnResult {
            answered_by: answered.map(|(target, _)| reference(target)),
            primary: Some(reference(asked)),
            attempts: attempts.iter().map(tried).collect(),
            text: String::new(),
            usage: None,
            currency: None,
            stop_reason: StopReason::Stop,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn a_change_is_said_once() {
        let mut notices = FallbackNotices::default();
        let fallen = turned("kimi/k3", &[("kimi/k3", "rate_limit"), ("openrouter/auto", "ok")]);
        let resting = turned("kimi/k3", &[("kimi/k3", "cooling_down"), ("openrouter/auto", "ok")]);
        let back = turned("kimi/k3", &[("kimi/k3", "ok")]);
        assert_eq!(notices.notice_for(&back), None);
        assert_eq!(
            notices.notice_for(&fallen).unwrap(),
            "↪ openrouter/auto answers: kimi/k3 failed (rate_limit)"
        );
        assert_eq!(notices.notice_for(&resting), None);
        assert_eq!(notices.notice_for(&back).unwrap(), "↩ kimi/k3 answers again");
        assert_eq!(notices.notice_for(&back), None);
        assert_eq!(notices.notice_for(&resting).unwrap(), "↪ openrouter/auto answers: kimi/k3 rests");
        let nobody = turned("kimi/k3", &[("kimi/k3", "server")]);
        assert_eq!(notices.notice_for(&nobody), None);
        assert_eq!(notices.notice_for(&back).unwrap(), "↩ kimi/k3 answers again");
    }

    #[test]
    fn another_model_is_no_return() {
        let mut notices = FallbackNotices::default();
        let fallen = turned("kimi/k3", &[("kimi/k3", "quota"), ("openrouter/auto", "ok")]);
        notices.notice_for(&fallen).unwrap();
        assert_eq!(notices.notice_for(&turned("openrouter/auto", &[("openrouter/auto", "ok")])), None);
        notices.notice_for(&fallen).unwrap();
        notices.reset();
        assert_eq!(notices.notice_for(&turned("kimi/k3", &[("kimi/k3", "ok")])), None);
    }
}
