mod proxies;

use futures_util::FutureExt;
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;

use super::super::url::is_loopback;
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// Every name leads to this machine.
fn poisoned() -> LookupFn {
    let here = ([127, 0, 0, 1], 0).into();
    Arc::new(move |_| Box::pin(async move { Ok(vec![here]) }))
}

/// Without the certificates and the proxies of this machine.
fn client(proxies: Option<Matcher>, tls: ClientConfig) -> Client {
    let pool = Pool::new(poisoned(), LIMIT, proxies.map(Arc::new), tls);
    let built = Built { tls: OnceLock::from(Ok(pool)), ..Built::new(LIMIT, poisoned()) };
    Client { built: ArcSwap::from_pointee(built) }
}

fn call(url: String) -> UpstreamRequest {
    UpstreamRequest {
        method: Method::POST,
        url: url.into(),
        headers: HeaderMap::new(),
        body: vec!["moon".into()],
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_name_server_that_lies_gets_no_request() {
    let (listener, port) = listener().await;
    let client = client(None, tls::trust_none().unwrap());
    let failure = client.send(call(format!("http://api.example.com:{port}/v1"))).await.err().unwrap();
    assert_eq!(failure.reason, Reason::Network);
    assert!(failure.message.contains("leads api.example.com to 127.0.0.1"), "{failure}");
    assert!(listener.accept().now_or_never().is_none(), "nothing was connected");
    // The same client does reach the machine by a name that may stand for it.
    let reached = client.send(call(format!("http://box.lan:{port}/v1")));
    tokio::select! {
        _ = reached => panic!("nobody answers"),
        accepted = listener.accept() => assert!(accepted.is_ok()),
    }
}

#[tokio::test]
async fn a_url_is_never_told() {
    let client = Client::new(LIMIT);
    for url in [
        "http://127.0.0.1:1/sk-secret?key=sk-secret",
        "http://user:sk-secret@127.0.0.1:1/",
        "sk-secret",
        "ftp://sk-secret/",
        "http://sk-secret:x/",
        "http://127.0.0.1:1/sk-secret key",
    ] {
        let failure = client.send(call(url.to_owned())).await.err().unwrap();
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }
}

#[test]
fn loopback_is_told_from_what_looks_like_it() {
    let is_here = |url: &str| is_loopback(&url.parse().unwrap());
    for host in ["127.0.0.1:9", "127.9.9.9", "[::1]:9", "localhost", "LOCALHOST.:9", "moon.localhost"] {
        assert!(is_here(&format!("http://{host}/v1")), "{host}");
    }
    for host in ["10.0.0.1", "[::2]", "localhost.example", "notlocalhost", "127.0.0.1.example"] {
        assert!(!is_here(&format!("http://{host}/v1")), "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_to_connect_holds_for_tls_too() {
    let (listener, port) = listener().await;
    let silent = async {
        let mut stream = listener.accept().await.unwrap().0;
        // The first byte of a TLS hello (RFC 8446, 5.1).
        assert_eq!(stream.read_u8().await.unwrap(), 22);
        stream
    };
    let client = client(None, tls::trust_none().unwrap());
    let began = tokio::time::Instant::now();
    let (failed, _open) = tokio::join!(client.send(call(format!("https://box.lan:{port}/v1"))), silent);
    let failure = failed.err().unwrap();
    assert_eq!(failure.reason, Reason::Timeout);
    assert_eq!(failure.message, "no connection within 5.0 s (failover.timeouts.connectSeconds)");
    assert!(began.elapsed() >= LIMIT && began.elapsed() < 2 * LIMIT);
}
