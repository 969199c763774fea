//! The isolated settings, and the evaluation of responses.

use std::time::Duration;

use super::report::{Verdict, evaluate};
use super::run::ObservedResponse;
use super::setup::{DrillSetup, estimate_real_time, with_real_times};
use super::{Phase, list_cases};
use crate::config::settings::Auth;
use crate::config::{self, Environment};
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

fn setup(text: &str, model: Option<&str>) -> DrillSetup {
    let settings = config::from_text(text, None, &Environment::default()).unwrap();
    DrillSetup::load(settings, model).unwrap()
}

#[test]
fn keys_and_addresses_of_the_user_are_removed() {
    let setup = setup(CONFIG, None);
    assert_eq!(setup.providers_without_key, ["kimi"]);
    let ids: Vec<&str> = setup.providers().iter().map(|provider| provider.id.as_str()).collect();
    assert_eq!(ids, ["own", "kimi", "openrouter"]);
    let settings = setup.simulated_settings(ids.iter().map(|id| (*id, "http://127.0.0.1:4"))).unwrap();
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
    assert_eq!(settings.providers["own"].keys.len(), 2, "as many as configured");
    assert_eq!(settings.providers["own"].headers.len(), 1, "the User-Agent stays");
    assert!(settings.gateway.tokens.is_empty() && settings.web_search.keys.is_empty());
    // A provider without a simulator gets a local address, never the user's.
    assert!(
        setup
            .simulated_settings([])
            .unwrap()
            .providers
            .values()
            .all(|p| p.apis.iter().all(|f| f.1.contains("127.0.0.1")))
    );
}

#[test]
fn login_is_not_used() {
    let text =
        "{ models: { providers: { kimi: { auth: 'oauth' } } }, agents: { defaults: { model: 'kimi/k3' } } }";
    let state = tempfile::tempdir().unwrap();
    for variables in [Vec::new(), vec![("STATE_DIRECTORY", state.path().to_str().unwrap())]] {
        let environment: Environment = variables.into_iter().collect();
        let settings = config::from_text(text, None, &environment).unwrap();
        let setup = DrillSetup::load(settings, None).unwrap();
        let kimi = setup.providers()[0];
        assert!(kimi.login_file.is_none() && kimi.auth == Auth::Bearer, "its key is invented");
    }
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn timeouts_keep_their_order_and_configured_values() {
    let setup = setup(CONFIG, None);
    let mut timeouts = setup.timeouts.clone();
    timeouts.sort_by_key(|timeout| timeout.configured);
    assert!(timeouts.windows(2).all(|pair| pair[0].shortened < pair[1].shortened), "{timeouts:?}");
    assert!(timeouts.iter().all(|timeout| timeout.shortened <= Duration::from_secs(4)), "{timeouts:?}");
    let left = |attempt| estimate_real_time(&setup.timeouts, Duration::ZERO, &[attempt]).as_secs();
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::ResponseHeader)), 58);
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::FirstToken)), 297);
    assert_eq!(left(timed_out("own/m", TimeoutKind::Provider)), 43);
    assert_eq!(left(timed_out("kimi/k3", TimeoutKind::Connect)), 0);
    assert_eq!(left(attempt("kimi/k3", AttemptOutcome::Failed(Reason::Timeout))), 0);
    let attempts = [timed_out("own/m", TimeoutKind::Provider)];
    let error = "status 504: own/m: nothing within 1.3 s (timeoutSeconds of the provider) (tried: …)";
    let meant = "status 504: own/m: nothing within 45.0 s (timeoutSeconds of the provider) (tried: …)";
    assert_eq!(with_real_times(&setup.timeouts, &attempts, error), meant);
    assert_eq!(with_real_times(&setup.timeouts, &attempts, "status 400"), "status 400");
}

#[test]
fn hedge_delay_and_total_timeout_count_as_configured() {
    let failover = r#"failover: { hedgeAfterMs: 5000, timeouts: { totalSeconds: 90 } }"#;
    let text = format!("{{ agents: {{ defaults: {{ model: \"kimi/k3\" }} }}, {failover} }}");
    let setup = setup(&text, None);
    let elapsed = Duration::from_secs(1);
    let time = |attempts: &[Attempt]| estimate_real_time(&setup.timeouts, elapsed, attempts).as_secs();
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
fn simulator_knows_every_case() {
    for model in ["own/m", "moonshot/kimi-k3", "kimi/kimi-for-coding", "openrouter/auto"] {
        let setup = setup(CONFIG, Some(model));
        let cases = list_cases(&setup, &[]).unwrap();
        assert!(cases.len() > 60, "{model}: {}", cases.len());
        for case in cases {
            let faults =
                case.simulator_faults(&setup).unwrap_or_else(|ending| panic!("{case:?}: {ending:?}"));
            assert!(
                faults.iter().all(|fault| fault.model.as_ref() == Some(&setup.primary_model)),
                "{case:?}"
            );
        }
    }
    let setup = setup(CONFIG, None);
    assert!(list_cases(&setup, &["nonsense".to_owned()]).is_err());
    let some = list_cases(&setup, &["stall".to_owned()]).unwrap();
    assert_eq!(
        some.iter().map(|case| case.phase).collect::<Vec<_>>(),
        [Phase::NonStreaming, Phase::BeforeContent, Phase::AfterContent]
    );
}

#[test]
fn incomplete_answer_without_an_error_is_lost() {
    let whole = ObservedResponse {
        status: 200,
        text: "the moon".into(),
        finish_reasons: vec!["stop".into()],
        ..ObservedResponse::default()
    };
    let baseline = [whole.clone()];
    let verdict = |observed: &ObservedResponse| evaluate(observed, &baseline).0;
    assert_eq!(verdict(&whole), Verdict::Unnoticed);
    assert_eq!(verdict(&ObservedResponse { text: "the m".into(), ..whole.clone() }), Verdict::Lost);
    assert_eq!(verdict(&ObservedResponse { finish_reasons: Vec::new(), ..whole.clone() }), Verdict::Lost);
    assert_eq!(
        verdict(&ObservedResponse { finish_reasons: vec!["stop".into(); 2], ..whole.clone() }),
        Verdict::Lost
    );
    assert_eq!(
        verdict(&ObservedResponse { tool_calls: vec!["get_weather {".into()], ..whole.clone() }),
        Verdict::Lost
    );
    let streamed = ObservedResponse { is_stream: true, done_count: 1, ..whole.clone() };
    assert_eq!(verdict(&streamed), Verdict::Unnoticed);
    assert_eq!(verdict(&ObservedResponse { done_count: 0, ..streamed }), Verdict::Lost);
    assert_eq!(
        verdict(&ObservedResponse { connection_error: Some("reset".into()), ..whole.clone() }),
        Verdict::Lost
    );
    assert_eq!(verdict(&ObservedResponse { status: 503, ..ObservedResponse::default() }), Verdict::Lost);
    assert_eq!(
        verdict(&ObservedResponse { text: "the m".into(), error: Some("interrupted".into()), ..whole }),
        Verdict::Error
    );
}
