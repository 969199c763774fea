//! The dashboard: whole without a script, up to date with one, open to look at and to nothing else.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::common::process::{PATIENCE, signal};
use crate::common::raw::Raw;
use crate::common::scripted::{KEY, Scripted};
use crate::common::{Answer, Gateway, Provider, Setup, Upstream, prompt};

const SECTIONS: [&str; 6] = ["chain", "live", "requests", "charts", "quota", "try"];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TOKEN: &str = "laptop-token-0123456789";

async fn start(chain: &[Provider]) -> (Upstream, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Setup::chain(&upstream, chain).start().await;
    (upstream, gateway)
}

/// Sends a request and waits until it is recorded: a page can be faster than the end of the answer before it.
async fn asked(gateway: &Gateway, text: &str) -> Answer {
    let answer = gateway.chat(&prompt("default", text, false)).await;
    let attempts = format!("/dashboard/requests/{}/attempts", answer.header("x-moonrelay-request-id"));
    let recorded = async { while gateway.get(&attempts).await.status == 404 {} };
    tokio::time::timeout(PATIENCE, recorded).await.expect("there is a record");
    answer
}

/// An open dashboard.
struct Watching {
    response: reqwest::Response,
    read: String,
    /// Sections in the order in which they were sent.
    came: Vec<(String, String)>,
    /// Of each section, how many of `came` have been looked at.
    looked_at: BTreeMap<String, usize>,
}

impl Watching {
    async fn start(gateway: &Gateway) -> Self {
        let request = gateway.request(reqwest::Method::GET, "/dashboard/events");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new(), came: Vec::new(), looked_at: BTreeMap::new() }
    }

    /// The next version of a section that holds this text.
    async fn until(&mut self, section: &str, text: &str) -> String {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let seen = self.looked_at.entry(section.to_owned()).or_default();
                while let Some((name, html)) = self.came.get(*seen) {
                    *seen += 1;
                    if name == section && html.contains(text) {
                        return html.clone();
                    }
                }
                let more = self.response.chunk().await.unwrap().expect("the events go on");
                self.take(std::str::from_utf8(&more).unwrap());
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {section} with {text}"))
    }

    fn take(&mut self, more: &str) {
        self.read.push_str(more);
        while let Some((frame, rest)) = self.read.split_once("\n\n") {
            let event = frame.strip_prefix("event: ").and_then(|event| event.split_once('\n'));
            if let Some((section, data)) = event {
                let html = data.replace("data: ", "");
                let last = self.came.iter().rev().find(|(name, _)| name == section);
                assert!(last.is_none_or(|(_, last)| *last != html), "sent twice: {section} {html}");
                self.came.push((section.to_owned(), html));
            }
            self.read = rest.to_owned();
        }
    }

    /// Whether it ends in order.
    async fn ends(mut self) -> bool {
        let end = async { while self.response.chunk().await.unwrap().is_some() {} };
        tokio::time::timeout(PATIENCE, end).await.is_ok()
    }
}

/// What a strict content security policy rejects, or a page without a network lacks.
fn assert_keeps_to_itself(path: &str, page: &str) {
    for refused in ["style=", " onclick", " onload", "<style", "javascript:", "<iframe", "<base"] {
        assert!(!page.contains(refused), "{path}: {refused} in {page}");
    }
    for script in page.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/dashboard/"), "{path}: an inline script in {page}");
    }
    let foreign = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!foreign.contains("http://") && !foreign.contains("https://"), "{path}: {page}");
}

#[tokio::test]
async fn pages_are_whole_and_keep_to_themselves() {
    let (_upstream, gateway) = start(&[Provider::Kimi, Provider::OpenRouter]).await;
    let answer = asked(&gateway, "Say hello").await;
    let one = format!("/dashboard/requests/{}", answer.header("x-moonrelay-request-id"));
    for path in ["/", "/?days=1", "/?days=30", "/?before=1795000000000", &one] {
        let page = gateway.get(path).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        let headers =
            ["content-security-policy", "x-content-type-options", "referrer-policy", "cache-control"];
        assert_eq!(headers.map(|name| page.header(name)), [POLICY, "nosniff", "no-referrer", "no-store"]);
        assert_keeps_to_itself(path, &page.text());
    }
    let page = gateway.get("/").await.text();
    for section in SECTIONS {
        assert_eq!(
            page.matches(&format!("<section class=\"card\" id=\"{section}\"")).count(),
            1,
            "{section}"
        );
    }
    assert!(page.contains("data-target=\"kimi/kimi-for-coding\" data-state=\"answering\""), "{page}");
    assert!(page.contains("data-target=\"openrouter/auto\" data-state=\"ready\""), "{page}");
    assert!(page.contains(&format!("href=\"{one}\"")), "{page}");
    for wrong in ["/?days=2", "/?days=", "/?before=soon", "/?before=-1", "/?before=99999999999999999"] {
        assert_eq!(gateway.get(wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn files_are_sent_once_and_head_has_no_body() {
    let (_upstream, gateway) = start(&[Provider::Kimi]).await;
    for (path, kind) in [
        ("/dashboard/style.css", "text/css; charset=utf-8"),
        ("/dashboard/app.js", "text/javascript; charset=utf-8"),
        ("/dashboard/icon.svg", "image/svg+xml"),
    ] {
        let file = gateway.get(path).await;
        assert_eq!((file.status, file.header("content-type")), (200, kind));
        assert_keeps_to_itself(path, &file.text());
        let again = gateway.request(reqwest::Method::GET, path).header("if-none-match", file.header("etag"));
        let again = Answer::read(again.send().await.unwrap()).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
    for path in ["/", "/dashboard/app.js", "/dashboard/requests/none", "/dashboard/requests/%ff"] {
        let mut client = Raw::connect(gateway.serving.authority()).await;
        client.send(format!("HEAD {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await;
        let head = client.response(true).await.unwrap();
        let status = if path.contains("/requests/") { 404 } else { 200 };
        assert_eq!((head.status, head.header("content-security-policy")), (status, Some(POLICY)), "{path}");
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 100);
    }
}

#[tokio::test]
async fn a_fallback_is_shown_as_it_happens() {
    let (upstream, gateway) = start(&[Provider::Kimi, Provider::OpenRouter]).await;
    let mut watching = Watching::start(&gateway).await;
    watching.until("requests", "No requests yet").await;
    upstream.fault(json!({ "provider": "kimi", "kind": "rate_limit", "times": 1 })).await;
    upstream.fault(crate::failover::faults::slow_drip(Provider::OpenRouter)).await;
    let asked = prompt("default", "reply with 60 words", true).to_string();
    let response = gateway.chat_request(asked).send().await.unwrap();
    let id = response.headers()["x-moonrelay-request-id"].to_str().unwrap().to_owned();
    watching.until("live", &format!("data-live=\"{id}\"")).await;
    let answer = Answer::read(response).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=rate_limit, openrouter/auto=ok");
    let chain = watching.until("chain", "data-state=\"cooldown\"").await;
    assert!(chain.contains("<strong>openrouter/auto</strong> answers"), "{chain}");
    assert!(chain.contains("rate limit reached") && chain.contains("data-until="), "{chain}");
    let row = format!("data-request=\"{id}\" data-outcome=\"ok\" data-fallback");
    let requests = watching.until("requests", &row).await;
    assert!(requests.contains("rate_limit"), "{requests}");

    let page = gateway.get(&format!("/dashboard/requests/{id}")).await.text();
    for part in ["data-result=\"rate_limit\"", "data-result=\"ok\"", "<svg class=\"timeline\""] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let attempts = gateway.get(&format!("/dashboard/requests/{id}/attempts")).await.text();
    assert_eq!(attempts.matches("<li ").count(), 2, "{attempts}");
}

#[tokio::test]
async fn end_of_a_cooldown_is_shown_without_requests() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot, Provider::OpenRouter]);
    let gateway = setup.set("failover.cooldown.stepsSeconds", json!([4])).start().await;
    let mut watching = Watching::start(&gateway).await;
    upstream
        .fault(json!({ "provider": "moonshot", "kind": "rate_limit", "times": 1, "retryAfter": 4 }))
        .await;
    gateway.chat(&prompt("default", "Say hello", false)).await;
    watching.until("chain", "data-state=\"cooldown\"").await;
    let again = watching.until("chain", "<strong>moonshot/kimi-k3</strong> answers").await;
    assert!(!again.contains("\"cooldown\""), "{again}");
}

#[tokio::test]
async fn so_many_can_look_and_who_leaves_makes_room() {
    let (_upstream, gateway) = start(&[Provider::Kimi]).await;
    let mut watching = Vec::new();
    for _ in 0..8 {
        watching.push(Watching::start(&gateway).await);
    }
    let ninth = gateway.get("/dashboard/events").await;
    assert_eq!((ninth.status, ninth.header("content-security-policy")), (503, POLICY), "{}", ninth.text());
    assert_eq!(gateway.get("/").await.status, 200, "pages are read still");
    drop(watching.pop());
    // The gateway notices it with the next event, or with the end of its connection.
    let free = tokio::time::timeout(PATIENCE, async {
        loop {
            let next = gateway.request(reqwest::Method::GET, "/dashboard/events").send().await.unwrap();
            if next.status() == 200 {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(free.await.is_ok(), "no room was made");
}

#[tokio::test]
async fn an_open_dashboard_holds_no_stop() {
    let (_upstream, mut gateway) = start(&[Provider::Kimi]).await;
    let mut watching = Watching::start(&gateway).await;
    watching.until("quota", "").await;
    let waiting = gateway.request(reqwest::Method::GET, "/dashboard/requests/none/attempts").send();
    let waiting = tokio::spawn(waiting);
    signal("-TERM", gateway.serving.pid()).await;
    assert!(watching.ends().await, "the events end in order");
    assert!(gateway.serving.ended().await.success(), "{}", gateway.serving.output());
    assert!(!gateway.serving.output().contains("cut off"), "{}", gateway.serving.output());
    drop(waiting.await);
}

#[tokio::test]
async fn it_can_be_read_without_a_token_and_nothing_else_can() {
    let upstream = Upstream::start().await;
    let open = Setup::chain(&upstream, &[Provider::Kimi]).start().await;
    assert!(!open.get("/").await.text().contains("type=\"password\""), "no token is asked for here");
    let tokens = json!({ "laptop": TOKEN });
    let setup = Setup::chain(&upstream, &[Provider::Kimi]);
    let gateway = setup.set("gateway.auth", json!({ "mode": "token", "tokens": tokens })).start().await;
    let page = gateway.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("name=\"token\" type=\"password\""), "{}", page.text());
    let mut watching = Watching::start(&gateway).await;
    let chain = watching.until("chain", "answers").await;
    for text in [page.text(), chain] {
        assert!(!text.contains(TOKEN) && !text.contains(Provider::Kimi.key()), "{text}");
    }
    for (method, path) in [
        (reqwest::Method::GET, "/status"),
        (reqwest::Method::GET, "/v1/models"),
        (reqwest::Method::GET, "/usage/quota"),
        (reqwest::Method::GET, "/dashboard"),
        (reqwest::Method::POST, "/"),
        (reqwest::Method::POST, "/dashboard/events"),
        (reqwest::Method::POST, "/v1/messages"),
    ] {
        let answer = gateway.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_others_reach_nothing_of_it() {
    let (_upstream, gateway) = start(&[Provider::Kimi]).await;
    for path in ["/", "/dashboard/events", "/dashboard/app.js", "/dashboard/requests/none"] {
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let request = gateway.request(reqwest::Method::GET, path).header(name, value);
            assert_eq!(request.send().await.unwrap().status(), 403, "{path} {name}");
        }
    }
    let typed = gateway.request(reqwest::Method::GET, "/").header("sec-fetch-site", "none");
    assert_eq!(typed.send().await.unwrap().status(), 200);
}

/// The playground's request as a browser sends it: Kimi Code would reject this client on its OpenAI API.
#[tokio::test]
async fn a_browser_is_answered_by_kimi() {
    let (_upstream, gateway) = start(&[Provider::Kimi, Provider::OpenRouter]).await;
    let mut body = prompt("default", "Say hello", true);
    body["max_tokens"] = json!(8192);
    let request = gateway.request(reqwest::Method::POST, "/v1/messages");
    let request =
        request.header("content-type", "application/json").header("anthropic-version", "2023-06-01");
    let request =
        request.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)").header("origin", gateway.base());
    let request = request.header("sec-fetch-site", "same-origin").body(body.to_string());
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.attempts(), "kimi/kimi-for-coding=ok", "{}", answer.text());
}

#[tokio::test]
async fn what_a_provider_says_is_text_and_never_the_key() {
    let scripted = Scripted::start(|mut stream| async move {
        let body = json!({ "error": { "message": format!("<img src=x onerror=y> key {KEY}") } }).to_string();
        let length = body.len();
        let head =
            format!("HTTP/1.1 500 x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
    })
    .await;
    let gateway = scripted.setup().start().await;
    let answer = gateway.chat(&prompt("own/model", "Say hello", false)).await;
    let id = answer.header("x-moonrelay-request-id");
    let one = format!("/dashboard/requests/{id}");
    for path in ["/".to_owned(), one.clone(), format!("{one}/attempts"), "/dashboard/requests/<b>".to_owned()]
    {
        let page = gateway.get(&path).await.text();
        assert!(
            !page.contains(KEY) && !page.contains("<img src=x") && !page.contains("<b>"),
            "{path}: {page}"
        );
    }
    let page = gateway.get(&one).await.text();
    assert!(page.contains("&lt;img src=x"), "{page}");
}

/// The charts show what the providers reported; older data is read from the database.
#[tokio::test]
async fn the_charts_have_the_tokens_that_were_used() {
    let (_upstream, gateway) = start(&[Provider::Moonshot]).await;
    let mut watching = Watching::start(&gateway).await;
    let empty = watching.until("charts", "<strong>0 tokens</strong>").await;
    assert!(empty.contains("figure data-chart=\"cost\""), "{empty}");
    let mut total = 0;
    for text in ["Say hello", "reply with 60 words"] {
        let answer = gateway.chat(&prompt("default", text, false)).await;
        total += answer.json()["usage"]["total_tokens"].as_u64().unwrap();
    }
    let charts = watching.until("charts", &format!("<strong>{total} tokens</strong> in 7 days")).await;
    assert_keeps_to_itself("charts", &charts);
    assert!(charts.contains(&format!("<td class=\"number\">{total}</td>")), "{charts}");
    assert!(charts.contains("<th class=\"number\" scope=\"col\">moonshot/kimi-k3</th>"), "{charts}");
    assert!(charts.contains("data-chart=\"cost\" data-currency=\"USD\""), "{charts}");
    assert_eq!(charts.matches("<svg role=\"img\" aria-label=").count(), 2, "{charts}");
    let hours = gateway.get("/?days=1").await.text();
    assert!(hours.contains(&format!("<strong>{total} tokens</strong> in 24 hours")), "{hours}");
    // Beyond the end of this request: from the store alone.
    let older = gateway.get("/?before=253402300799999").await.text();
    assert_eq!(older.matches("data-request=").count(), 2, "{older}");
    let before = gateway.get("/?before=1000").await.text();
    assert!(before.contains("No older requests."), "{before}");
}

/// Without scripts there is no second request. Locking the file blocks the writer, and with it the page.
#[tokio::test]
async fn the_page_that_is_loaded_behind_an_answer_has_it_in_its_charts() {
    let (_upstream, gateway) = start(&[Provider::Moonshot]).await;
    // The file is there then.
    gateway.get("/").await;
    let mut total = 0;
    for text in ["Say hello", "reply with 60 words"] {
        let held = Connection::open(gateway.home().join("state/moonrelay/ledger.sqlite")).unwrap();
        held.execute_batch("BEGIN IMMEDIATE").unwrap();
        total += asked(&gateway, text).await.json()["usage"]["total_tokens"].as_u64().unwrap();
        let others = async {
            for _ in 0..20 {
                assert_eq!(gateway.get("/status").await.status, 200);
            }
            drop(held);
        };
        let page = tokio::join!(gateway.get("/"), others).0.text();
        assert!(page.contains(&format!("<strong>{total} tokens</strong> in 7 days")), "{total}: {page}");
    }
}

#[tokio::test]
async fn where_nothing_is_kept_the_page_says_which_setting_it_is() {
    let upstream = Upstream::start().await;
    let setup = Setup::chain(&upstream, &[Provider::Moonshot]).set("usage.store", json!("none"));
    let gateway = setup.start().await;
    asked(&gateway, "Say hello").await;
    let page = gateway.get("/").await.text();
    assert_eq!(page.matches("usage.store is &quot;none&quot;").count(), 2, "{page}");
    assert_eq!(page.matches("data-request=").count(), 1, "the last ones are known all the same: {page}");
}
