mod proxies;

use futures_util::FutureExt;
use http::{HeaderMap, Method};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::upstream::read_body;

const LIMIT: Duration = Duration::from_secs(5);

/// Resolves every name to this machine.
fn poisoned() -> LookupFn {
    let loopback = ([127, 0, 0, 1], 0).into();
    Arc::new(move |_| Box::pin(async move { Ok(vec![loopback]) }))
}

/// A client without the certificates and proxies of this machine.
fn client(proxy: Option<reqwest::Proxy>, tls: ClientConfig) -> Client {
    let builder = builder(poisoned(), LIMIT, tls).no_proxy();
    let built = proxy.into_iter().fold(builder, reqwest::ClientBuilder::proxy).build().unwrap();
    let clients = Clients { remote: OnceCell::from(Ok(built)), ..Clients::new(LIMIT, poisoned()) };
    Client { clients: ArcSwap::from_pointee(clients) }
}

fn trust_none() -> ClientConfig {
    trust(RootCertStore::empty()).unwrap()
}

fn call(url: String) -> UpstreamRequest {
    UpstreamRequest {
        method: Method::POST,
        url: url.into(),
        headers: HeaderMap::new(),
        body: vec!["mo".into(), "on".into()],
    }
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn request_is_sent_with_its_own_headers_in_order_and_exact_length() {
    let (listener, port) = listener().await;
    let client = Client::new(LIMIT);
    let mut call = call(format!("http://127.0.0.1:{port}/v1?a=%41"));
    call.headers.insert("user-agent", HeaderValue::from_static("kimi-code-cli/2.1.0"));
    call.headers.insert("x-last", HeaderValue::from_static("1"));
    let serving = async {
        let mut stream = listener.accept().await.unwrap().0;
        let head = read_head(&mut stream).await;
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"moon");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        head
    };
    let (response, head) = tokio::join!(client.send(call), serving);
    assert_eq!(read_body(response.unwrap().body, 10).await.unwrap(), "ok");
    let expected = format!(
        "POST /v1?a=%41 HTTP/1.1\r\nuser-agent: kimi-code-cli/2.1.0\r\nx-last: 1\r\naccept-encoding: identity\r\n\
         accept: */*\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 4\r\n\r\n"
    );
    assert_eq!(head, expected);
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let (listener, port) = listener().await;
    let client = Client::new(LIMIT);
    let serving = async {
        let mut stream = listener.accept().await.unwrap().0;
        read_head(&mut stream).await;
        let head =
            format!("HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
    };
    let (response, ()) = tokio::join!(client.send(call(format!("http://127.0.0.1:{port}/v1"))), serving);
    assert_eq!(response.unwrap().status, 307);
    assert!(listener.accept().now_or_never().is_none());
}

#[tokio::test]
async fn interrupted_body_is_a_truncated_failure_that_names_the_host() {
    let (listener, port) = listener().await;
    let client = Client::new(LIMIT);
    let serving = async {
        let mut stream = listener.accept().await.unwrap().0;
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    };
    let (response, ()) = tokio::join!(client.send(call(format!("http://127.0.0.1:{port}/v1"))), serving);
    let failure = read_body(response.unwrap().body, 10).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Truncated);
    assert!(failure.message.starts_with(&format!("connection to 127.0.0.1:{port} failed: ")), "{failure}");
}

#[tokio::test]
async fn public_name_that_resolves_to_loopback_gets_no_request() {
    let (listener, port) = listener().await;
    let client = client(None, trust_none());
    let failure = client.send(call(format!("http://api.example.com:{port}/v1"))).await.err().unwrap();
    assert_eq!(failure.reason, Reason::Network);
    assert!(failure.message.contains("resolves api.example.com to 127.0.0.1"), "{failure}");
    assert!(listener.accept().now_or_never().is_none(), "nothing was connected");
    // The same client connects to a private name.
    let sending = client.send(call(format!("http://box.lan:{port}/v1")));
    tokio::select! {
        _ = sending => panic!("no response was sent"),
        accepted = listener.accept() => assert!(accepted.is_ok()),
    }
}

#[tokio::test]
async fn failure_does_not_contain_the_path_query_or_user_of_the_url() {
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
        assert_eq!(failure.reason, Reason::Network);
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_includes_the_tls_handshake() {
    let (listener, port) = listener().await;
    let silent = async {
        let mut stream = listener.accept().await.unwrap().0;
        // The first byte of a TLS hello (RFC 8446, 5.1).
        assert_eq!(stream.read_u8().await.unwrap(), 22);
        stream
    };
    let client = client(None, trust_none());
    let began = tokio::time::Instant::now();
    let (failed, _open) = tokio::join!(client.send(call(format!("https://box.lan:{port}/v1"))), silent);
    let failure = failed.err().unwrap();
    assert_eq!((failure.reason, failure.timeout), (Reason::Timeout, Some(TimeoutKind::Connect)));
    assert_eq!(failure.message, "no connection within 5.0 s (failover.timeouts.connectSeconds)");
    assert!(began.elapsed() >= LIMIT && began.elapsed() < 2 * LIMIT);
}

#[tokio::test]
async fn missing_unix_socket_is_a_network_failure_that_names_its_path() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("gateway.sock");
    let failure =
        send_over_unix(&path, call("http://localhost/health".to_owned()), LIMIT).await.err().unwrap();
    assert_eq!(failure.reason, Reason::Network);
    let expected = format!("cannot connect to unix:{}: ", path.display());
    assert!(failure.message.starts_with(&expected), "{failure}");
}
