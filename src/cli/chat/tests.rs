use std::time::Duration;

use super::input::*;
use super::text::*;
use super::view::*;
use super::*;
use crate::assistant::turn::{TurnAttempt, TurnResult};
use crate::cli::output::tests::TestOutput;

fn printed(reasoning: ReasoningDisplay, events: &[TurnEvent], is_terminal: bool) -> String {
    let output = TestOutput::default();
    let mut writer = output.writer(is_terminal);
    let mut view = AnswerView::new(&mut writer, reasoning, "thinking…").unwrap();
    events.iter().for_each(|event| view.show_event(event).unwrap());
    view.finish().unwrap();
    output.text()
}

fn answer() -> Vec<TurnEvent> {
    let own = str::to_owned;
    let query = r#"{"query":"moon\nphase"}"#;
    vec![
        TurnEvent::Thinking(own("\nhm")),
        TurnEvent::Thinking(own("m")),
        TurnEvent::ToolCall { tool: own("web_search"), arguments: own(query) },
        TurnEvent::NextRequest,
        TurnEvent::Thinking(own("so")),
        TurnEvent::Text(own("\n\n")),
        TurnEvent::Text(own("It is\n\n")),
        TurnEvent::Text(own("full.\u{7}")),
    ]
}

#[test]
fn thinking_is_displayed_as_configured() {
    let end = "It is\n\nfull.␇\n";
    assert_eq!(printed(ReasoningDisplay::Off, &answer(), false), format!("searching: moon phase\n{end}"));
    let whole = format!("[thinking] hmm\nsearching: moon phase\n[thinking] so\n\n{end}");
    assert_eq!(printed(ReasoningDisplay::Stream, &answer(), false), whole);
    assert_eq!(printed(ReasoningDisplay::On, &answer(), false), whole);
}

#[test]
fn terminal_shows_status_and_dims_thinking() {
    let events = [TurnEvent::Thinking("hm".to_owned()), TurnEvent::Text("Yes.".to_owned())];
    let status = "\x1b[0;2mthinking…\x1b[0m\r\x1b[K";
    assert_eq!(printed(ReasoningDisplay::Off, &events, true), format!("{status}Yes.\n"));
    assert_eq!(
        printed(ReasoningDisplay::Stream, &events, true),
        format!("{status}\x1b[0;2mhm\x1b[0m\n\nYes.\n")
    );
}

#[test]
fn tool_call_is_one_line() {
    assert_eq!(describe_call("read", "{\"path\":\"a\"}"), "calling read: {\"path\":\"a\"}");
    assert_eq!(describe_call("web_search", "no json"), "calling web_search: no json");
}

fn helper() -> ChatHelper {
    let own = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    ChatHelper {
        models: own(&["kimi", "default", "moonshot/kimi-k3", "openrouter/auto"]),
        levels: vec!["off", "on"],
    }
}

#[test]
fn commands_models_and_levels_are_completed() {
    let found = |before: &str| helper().candidates(before);
    assert_eq!(found("/mo"), (0, vec!["/model ".to_owned(), "/models".to_owned()]));
    assert_eq!(found("/st"), (0, vec!["/status".to_owned(), "/stop".to_owned()]));
    assert_eq!(found("/model au"), (7, vec!["openrouter/auto".to_owned()]));
    assert_eq!(found("/model KIMI").1, ["kimi", "moonshot/kimi-k3"]);
    assert_eq!(found("/new  def"), (6, vec!["default".to_owned()]));
    assert_eq!(found("/think o").1, ["off", "on"]);
    assert_eq!(found("/usage t").1, ["tokens"]);
    for nothing in ["mo", "//mo", "/nonsense x", "/stop x", "/model kimi k", "/modé", ""] {
        assert!(found(nothing).1.is_empty(), "{nothing}");
    }
}

#[test]
fn hint_completes_the_name_and_shows_arguments() {
    let hint = |typed: &str| ChatHelper::hint_for(typed).map(|hint| (hint.text.clone(), hint.accepted_len));
    assert_eq!(hint("/compa").unwrap(), ("ct  replace the conversation with a summary".to_owned(), 2));
    assert_eq!(hint("/think ").unwrap(), ("[LEVEL|default]".to_owned(), 0));
    assert_eq!(hint("/exit ").unwrap().1, 0);
    for nothing in ["/", "hello", "/世", "/model", "/st"] {
        assert!(hint(nothing).is_none(), "{nothing}");
    }
}

fn turn(primary: &str, attempts: &[(&str, &str)]) -> TurnResult {
    let reference = |text: &str| Reference::parse(text).unwrap();
    let attempt = |(target, result): &(&str, &str)| TurnAttempt {
        target: reference(target),
        result: (*result).to_owned(),
        detail: String::new(),
        duration: Duration::ZERO,
    };
    let answered = attempts.last().filter(|(_, result)| *result == "ok");
    TurnResult {
        answered_by: answered.map(|(target, _)| reference(target)),
        primary: Some(reference(primary)),
        attempts: attempts.iter().map(attempt).collect(),
        text: String::new(),
        usage: None,
        currency: None,
        stop_reason: StopReason::Stop,
        duration: Duration::ZERO,
    }
}

#[test]
fn change_of_the_answering_model_is_reported_once() {
    let mut notices = FallbackNotices::default();
    let failed = turn("kimi/k3", &[("kimi/k3", "rate_limit"), ("openrouter/auto", "ok")]);
    let in_cooldown = turn("kimi/k3", &[("kimi/k3", "cooling_down"), ("openrouter/auto", "ok")]);
    let back = turn("kimi/k3", &[("kimi/k3", "ok")]);
    assert_eq!(notices.notice_for(&back), None);
    assert_eq!(
        notices.notice_for(&failed).unwrap(),
        "↪ openrouter/auto answers: kimi/k3 failed (rate_limit)"
    );
    assert_eq!(notices.notice_for(&in_cooldown), None);
    assert_eq!(notices.notice_for(&back).unwrap(), "↩ kimi/k3 answers again");
    assert_eq!(notices.notice_for(&back), None);
    assert_eq!(
        notices.notice_for(&in_cooldown).unwrap(),
        "↪ openrouter/auto answers: kimi/k3 is in cooldown"
    );
    let unanswered = turn("kimi/k3", &[("kimi/k3", "server")]);
    assert_eq!(notices.notice_for(&unanswered), None);
    assert_eq!(notices.notice_for(&back).unwrap(), "↩ kimi/k3 answers again");
}

#[test]
fn model_change_is_not_reported_as_recovery() {
    let mut notices = FallbackNotices::default();
    let failed = turn("kimi/k3", &[("kimi/k3", "quota"), ("openrouter/auto", "ok")]);
    notices.notice_for(&failed).unwrap();
    assert_eq!(notices.notice_for(&turn("openrouter/auto", &[("openrouter/auto", "ok")])), None);
    notices.notice_for(&failed).unwrap();
    notices.reset();
    assert_eq!(notices.notice_for(&turn("kimi/k3", &[("kimi/k3", "ok")])), None);
}
