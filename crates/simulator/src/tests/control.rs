//! The simulator's own routes.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::RateLimits;
use crate::tests::client::read_until;
use crate::tests::*;

#[tokio::test]
async fn faults_are_ordered_listed_and_taken_back() {
    let running = Running::new().await;
    let own = running.own();
    let order = json!({ "provider": "kimi", "kind": "rate_limit", "retryAfter": 3, "times": 1 });
    assert_eq!(own.send("POST", "/_faults", order.to_string().as_bytes()).await.status, 200);
    let more = json!([{ "spec": "moonshot:stall:2" }, "openrouter:drip=5,times=2"]);
    let listed = own.send("POST", "/_faults", more.to_string().as_bytes()).await.json();
    let specs: Vec<&str> =
        listed["faults"].as_array().unwrap().iter().map(|fault| fault["spec"].as_str().unwrap()).collect();
    assert_eq!(
        specs,
        ["kimi:rate_limit,retry_after=3,times=1", "moonshot:stall=2", "openrouter:drip=5,times=2"]
    );
    assert_eq!(running.kimi().chat(&ask("kimi-for-coding", "x")).await.status, 429);
    assert_eq!(running.kimi().chat(&ask("kimi-for-coding", "x")).await.status, 200);
    assert_eq!(own.get("/_faults").await.json()["faults"][0]["left"], 0);
    own.send("DELETE", "/_faults", b"").await;
    assert_eq!(own.get("/_faults").await.json()["faults"], json!([]));
    for wrong in
        [&b"nonsense"[..], br#"{"kind":"nope"}"#, br#"{"kind":"stall"}"#, br#"{"kind":"empty","time":1}"#]
    {
        let reply = own.send("POST", "/_faults", wrong).await;
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error"].is_string());
    }
    assert_eq!(own.get("/_faults").await.json()["faults"], json!([]));
}

#[tokio::test]
async fn every_kind_is_listed_with_a_sentence_and_can_be_ordered() {
    let running = Running::new().await;
    let kinds = running.own().get("/_faults/kinds").await.json();
    for kind in kinds["kinds"].as_array().unwrap() {
        assert!(kind["sentence"].as_str().unwrap().len() >= 10, "{kind}");
        let value = if kind["value"]["required"] == true { "=200" } else { "" };
        let spec =
            format!("{}:{}{value}", kind["provider"].as_str().unwrap(), kind["kind"].as_str().unwrap());
        let fault: Fault = spec.parse().unwrap_or_else(|problem| panic!("{spec}: {problem}"));
        let again = Fault::from_json(&json!(fault.to_string())).unwrap();
        assert_eq!(again, fault);
    }
}

#[tokio::test]
async fn requests_are_recorded_as_they_came() {
    let running = Running::new().await;
    let mut client = running.moonshot();
    client.headers.push(("x-odd".into(), "Yes".into()));
    let body = ask("kimi-k2.6", "remember me");
    client.chat(&body).await;
    let record = running.own().get("/_requests").await.json();
    assert_eq!((record["count"].as_u64(), record["timedOut"].as_bool()), (Some(1), Some(false)));
    let entry = &record["requests"][0];
    assert_eq!(entry["provider"], "moonshot");
    assert_eq!(entry["method"], "POST");
    assert_eq!(entry["path"], "/moonshot/v1/chat/completions");
    assert_eq!(entry["body"], body.to_string());
    assert_eq!(entry["model"], "kimi-k2.6");
    assert!(entry["headers"].as_array().unwrap().contains(&json!(["x-odd", "Yes"])));
    assert_eq!((&entry["status"], &entry["cancelled"]), (&json!(200), &json!(false)));
    let received = running.control.requests();
    assert_eq!(received[0].provider, Provider::Moonshot);
    assert_eq!(received[0].header("X-Odd"), Some("Yes"));
    running.own().send("DELETE", "/_requests", b"").await;
    assert_eq!(running.own().get("/_requests").await.json()["count"], 0);
}

#[tokio::test]
async fn questions_wait_for_requests_and_cancellations() {
    let running = Running::with(&["stall:1"]).await;
    let own = running.own();
    let waiting = tokio::spawn({
        let own = own.clone();
        async move { own.get("/_requests?wait=1&timeoutMs=5000").await.json() }
    });
    let mut socket = running.moonshot().open_chat(&streaming(ask("kimi-k2.6", "hello"))).await;
    read_until(&mut socket, "\"role\"").await;
    let record = waiting.await.unwrap();
    assert_eq!((&record["count"], &record["timedOut"]), (&json!(1), &json!(false)));
    assert_eq!(own.get("/_stats").await.json()["inFlight"], 1);
    let late = own.get("/_stats?waitCancelled=1&timeoutMs=30").await.json();
    assert_eq!((&late["cancelled"], &late["timedOut"]), (&json!(0), &json!(true)));
    drop(socket);
    let stats = own.get("/_stats?waitCancelled=1&timeoutMs=1000").await.json();
    assert_eq!((&stats["cancelled"], &stats["inFlight"], &stats["total"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!(own.get("/_requests").await.json()["requests"][0]["cancelled"], true);
}

#[tokio::test]
async fn limits_are_each_providers_own() {
    let limits = RateLimits { concurrency: Some(1), requests_per_minute: Some(3), ..RateLimits::default() };
    let faults = vec!["stall:1,times=2".parse().unwrap()];
    let running = start(SimulatorOptions { limits, faults, ..SimulatorOptions::default() }).await;
    let mut first = running.moonshot().open_chat(&streaming(ask("kimi-k2.6", "hello"))).await;
    read_until(&mut first, "\"role\"").await;
    let reply = running.moonshot().chat(&ask("kimi-k2.6", "x")).await;
    assert_eq!(reply.status, 429);
    let text = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("max concurrency: 1, please try again after 1 seconds"), "{text}");
    drop(first);
    assert!(running.control.wait_for(Duration::from_secs(1), |stats| stats.in_flight == 0).await);
    assert_eq!(running.moonshot().chat(&ask("kimi-k2.6", "x")).await.status, 200);
    assert_eq!(running.moonshot().chat(&ask("kimi-k2.6", "x")).await.status, 200);
    let reply = running.moonshot().chat(&ask("kimi-k2.6", "x")).await;
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("max RPM: 3"));
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    assert_eq!(running.kimi().chat(&ask("k3", "x")).await.status, 200);
}

#[tokio::test]
async fn a_simulator_that_stops_cuts_what_is_open() {
    let simulator =
        Simulator::bind("127.0.0.1:0".parse().unwrap(), SimulatorOptions::default()).await.unwrap();
    let (address, control) = (simulator.address(), simulator.control());
    control.add_fault("stall:0".parse().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(simulator.run(async {
        let _ = stopped.await;
    }));
    let client = Client::new(address, "/moonshot/v1", "sk-test", "curl/8");
    let mut socket = client.open_chat(&streaming(ask("kimi-k2.6", "hello"))).await;
    read_until(&mut socket, "\"role\"").await;
    stop.send(()).unwrap();
    served.await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
