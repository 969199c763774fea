//! What a drill does to settings, and how it judges.

use std::time::Duration;

use super::case::{self, Phase};
use super::client::ObservedResponse;
use super::setup::DrillSetup;
use super::timeouts::{estimate_real_time, with_real_times};
use super::verdict::{CaseVerdict, evaluate};
use crate::config::Environment;
use crate::config::settings::Auth;
use crate::failure::{Reason, TimeoutKind};
use crate::record::{Attempt, AttemptOutcome};

const CONFIG: &str = r#"{
    agents: { defaults: { model: { primary: "own/m", fallbacks: ["kimi/kimi-for-coding", "openrouter/auto"] } } },
    models: { providers: {
        own: { baseUrl: "https://llm.example/v1", apiKey: ["sk-real-one", "sk-real-two"], timeoutSeconds: 45,
               headers: { "X-Key": "sk-real-three", "User-Agent": "mine/1" }, models: [{ id: "m", headers: { "X-Key": "sk-real-four" } }] },
        openrouter: { apiKey: "sk-real-five" }, moonshot: { apiKey: "sk-real-six" },
    } },
    gateway: { auth: { mode: "token", token: "sk-real-seven" } },
    plugins: { entries: { moonshot: { config: { webSearch: { apiKey: "sk-real-eight" } } } } },
}"#;

fn stage(text: &str, model: Option<&str>) -> DrillSetup {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    DrillSetup::load(Some(file.path()), &Environment::default(), model).unwrap()
}

#[test]
fn no_key_and_no_address_of_the_user_is_left() {
    let stage = stage(CONFIG, None);
    assert_eq!(stage.providers_without_key, ["kimi"]);
    let ids: Vec<&str> = stage.providers().iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["own", "kimi", "openrouter"]);
    let addresses =
        ids.iter().map(|id| ((*id).to_owned(), "http://127.0.0.1:4".to_owned())).collect::<Vec<_>>();
    let settings = stage.simulated_settings(&addresses).unwrap();
    for provider in settings.providers.values() {
        let id = &provider.id;
        for (_, url) in &provider.apis {
            let simulated = url.starts_with("http://127.0.0.1:4/");
            assert_eq!(simulated, ids.contains(&id.as_str()), "{id}: {url}");
            assert!(simulated || url == "http://127.0.0.1:9", "{id}: {url}");
        }
        let models = provider.models.values().flat_map(|model| &model.headers);
        let secrets = provider.keys.iter().map(|key| &key.secret);
        for secret in secrets.chain(provider.headers.iter().chain(models).map(|header| &header.value)) {
            assert!(!secret.expose().contains("real"), "{id}");
        }
    }
    assert_eq!(settings.providers["own"].keys.len(), 2, "as many as there are");
    assert_eq!(settings.providers["own"].headers.len(), 1, "the User-Agent stays");
    assert!(settings.gateway.tokens.is_empty() && settings.web_search.keys.is_empty());
    // A provider without a simulator gets a local address, never the user's.
    assert!(
        stage
            .simulated_settings(&[])
            .unwrap()
            .providers
            .values()
            .all(|p| p.apis.iter().all(|f| f.1.contains("127.0.0.1")))
    );
}

#[test]
fn a_login_is_left_alone() {
    let text =
        "{ models: { providers: { kimi: { auth: 'oauth' } } }, agents: { defaults: { model: 'kimi/k3' } } }";
    let state = tempfile::tempdir().unwrap();
    for variables in [Vec::new(), vec![("STATE_DIRECTORY", state.path().to_str().unwrap())]] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let environment: Environment = variables.into_iter().collect();
        let stage = DrillSetup::load(Some(file.path()), &environment, None).unwrap();
        let kimi = stage.providers()[0];
        assert!(kimi.login_file.is_none() && kimi.auth == Auth::Bearer, "its key is an invented one");
    }
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn clocks_keep_their_order_and_say_what_they_were() {
    let stage = stage(CONFIG, None);
    let mut clocks = stage.timeouts.clone();
    clocks.sort_by_key(|clock| clock.configured);
    assert!(clocks.windows(2).all(|pair| pair[0].shortened < pair[1].shortened), "{clocks:?}");
    assert!(clocks.iter().all(|clock| clock.shortened <= Duration::from_secs(4)), "{clocks:?}");
    let left = |attempt| estimate_real_time(&stage.timeouts, Duration::ZERO, &[attempt]).as_secs();
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::ResponseHeader)), 58);
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::FirstToken)), 297);
    assert_eq!(left(timed_out("own/m", TimeoutKind::Provider)), 43);
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::Connect)), 0);
    assert_eq!(left(attempt("kimi/k3", AttemptOutcome::Failed(Reason::Timeout))), 0);
    let attempts = [timed_out("own/m", TimeoutKind::Provider)];
    let error = "status 504: own/m: nothing within 1.3 s (timeoutSeconds of the provider) (tried: …)";
    let meant = "status 504: own/m: nothing within 45.0 s (timeoutSeconds of the provider) (tried: …)";
    assert_eq!(with_real_times(&stage.timeouts, &attempts, error), meant);
    assert_eq!(with_real_times(&stage.timeouts, &attempts, "status 400"), "status 400");
}

#[test]
fn a_hedge_and_the_limit_of_all_count_in_the_time_as_they_are_configured() {
    let failover = r#"failover: { hedgeAfterMs: 5000, timeouts: { totalSeconds: 90 } }"#;
    let text = format!("{{ agents: {{ defaults: {{ model: \"kimi/k3\" }} }}, {failover} }}");
    let stage = stage(&text, None);
    let took = Duration::from_secs(1);
    let time = |attempts: &[Attempt]| estimate_real_time(&stage.timeouts, took, attempts).as_secs();
    let answered = attempt("kimi/k3", AttemptOutcome::Ok);
    assert_eq!(time(&[attempt("kimi/k3", AttemptOutcome::Cancelled), answered.clone()]), 5);
    assert_eq!(time(&[answered]), 1);
    let silent = timed_out("kimi/k3", TimeoutKind::ResponseHeader);
    assert_eq!(time(&[silent.clone(), silent.clone(), silent]), 90);
}

fn timed_out(reference: &str, kind: TimeoutKind) -> Attempt {
    Attempt {
        detail: kind.message(Duration::from_millis(1300)),
        timeout: Some(kind),
        ..attempt(reference, AttemptOutcome::Failed(Reason::Timeout))
    }
}

fn attempt(reference: &str, outcome: AttemptOutcome) -> Attempt {
    Attempt {
        reference: reference.to_owned(),
        outcome,
        detail: String::new(),
        timeout: None,
        start_offset: Duration::ZERO,
        duration: Duration::ZERO,
        usage: None,
        cost: None,
    }
}

#[test]
fn every_case_can_be_ordered() {
    for model in ["own/m", "moonshot/kimi-k3", "kimi/kimi-for-coding", "openrouter/auto"] {
        let stage = stage(CONFIG, Some(model));
        let cases = case::list_cases(&stage, &[]).unwrap();
        assert!(cases.len() > 60, "{model}: {}", cases.len());
        for case in cases {
            let faults = case.simulator_faults(&stage).unwrap_or_else(|ending| panic!("{case}: {ending:?}"));
            assert!(faults.iter().all(|fault| fault.model.as_ref() == Some(&stage.primary_model)), "{case}");
        }
    }
    let stage = stage(CONFIG, None);
    assert!(case::list_cases(&stage, &["nonsense".to_owned()]).is_err());
    let some = case::list_cases(&stage, &["stall".to_owned()]).unwrap();
    assert_eq!(
        some.iter().map(|case| case.phase).collect::<Vec<_>>(),
        [Phase::NonStreaming, Phase::BeforeContent, Phase::AfterContent]
    );
}

#[test]
fn what_is_cut_without_an_error_is_lost() {
    let whole = ObservedResponse {
        status: 200,
        text: "the moon".into(),
        finish_reasons: vec!["stop".into()],
        ..ObservedResponse::default()
    };
    let calm = [whole.clone()];
    let word = |saw: &ObservedResponse| evaluate(saw, &calm).as_str();
    assert_eq!(evaluate(&whole, &calm), CaseVerdict::Unnoticed);
    assert_eq!(word(&ObservedResponse { text: "the m".into(), ..whole.clone() }), "lost");
    assert_eq!(word(&ObservedResponse { finish_reasons: Vec::new(), ..whole.clone() }), "lost");
    assert_eq!(word(&ObservedResponse { finish_reasons: vec!["stop".into(); 2], ..whole.clone() }), "lost");
    assert_eq!(word(&ObservedResponse { tool_calls: vec!["get_weather {".into()], ..whole.clone() }), "lost");
    let streamed = ObservedResponse { is_stream: true, done_count: 1, ..whole.clone() };
    assert_eq!(word(&streamed), "unnoticed");
    assert_eq!(word(&ObservedResponse { done_count: 0, ..streamed }), "lost");
    assert_eq!(word(&ObservedResponse { connection_error: Some("reset".into()), ..whole.clone() }), "lost");
    assert_eq!(word(&ObservedResponse { status: 503, ..ObservedResponse::default() }), "lost");
    assert_eq!(
        word(&ObservedResponse { text: "the m".into(), error: Some("broke off".into()), ..whole }),
        "error"
    );
}
