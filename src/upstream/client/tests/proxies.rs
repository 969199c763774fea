//! A listener of the test is the proxy.

use std::path::PathBuf;

use http::header::AUTHORIZATION;
use reqwest::{NoProxy, Proxy};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// `user:pass word`
const AUTHORIZED: &str = "proxy-authorization: basic dxnlcjpwyxnzihdvcmq=\r\n";

fn proxy(url: String) -> Option<Proxy> {
    Some(Proxy::all(url).unwrap())
}

fn seed(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/certificates").join(name)
}

/// Trusts the authority that signed the certificate of the providers' hosts.
fn trust_providers() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(seed("authority.pem")).unwrap()).unwrap();
    trust(roots).unwrap()
}

/// The TLS side of the providers' hosts. It offers HTTP/2 first.
fn acceptor() -> TlsAcceptor {
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let certificate = CertificateDer::from_pem_file(seed("providers.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(seed("providers.key.pem")).unwrap();
    let mut config = versions.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A proxy that opens a tunnel, and the host at its end. Returns both heads that they received; the second is `None` when
/// the client refused the host.
async fn serve_tunnel(listener: TcpListener) -> (String, Option<String>) {
    let mut stream = listener.accept().await.unwrap().0;
    let connect = read_head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let Ok(mut stream) = acceptor().accept(stream).await else { return (connect, None) };
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let head = read_head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    (connect, Some(head))
}

#[tokio::test]
async fn https_goes_through_an_authenticated_tunnel_and_speaks_http1_although_h2_is_offered() {
    let (listener, port) = listener().await;
    let client = client(proxy(format!("http://user:pass%20word@127.0.0.1:{port}")), trust_providers());
    let mut call = call("https://api.moonshot.ai/v1/models".to_owned());
    call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer sk-moon"));
    let (response, (connect, head)) = tokio::join!(client.send(call), serve_tunnel(listener));
    assert_eq!(read_body(response.unwrap().body, 10).await.unwrap(), "ok");
    let (connect, head) = (connect.to_lowercase(), head.unwrap());
    assert!(connect.starts_with("connect api.moonshot.ai:443 http/1.1\r\nhost: api.moonshot.ai:443\r\n"));
    assert!(connect.contains(AUTHORIZED) && !connect.contains("sk-moon"), "{connect}");
    assert!(!connect.contains("user-agent"), "{connect}");
    assert!(head.starts_with("POST /v1/models HTTP/1.1\r\nauthorization: Bearer sk-moon\r\n"), "{head}");
    assert!(head.contains("\r\nhost: api.moonshot.ai\r\ncontent-length: 4\r\n"), "{head}");
    assert!(!head.contains("proxy-"), "{head}");
}

#[tokio::test]
async fn host_at_the_end_of_a_tunnel_is_refused_without_a_valid_certificate() {
    let wrong_name = ("https://api.example.com/v1", trust_providers(), "not valid for name");
    let unknown = ("https://api.moonshot.ai/v1", trust_none(), "UnknownIssuer");
    for (url, tls, why) in [wrong_name, unknown] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("http://127.0.0.1:{port}")), tls);
        let (failed, (_, head)) = tokio::join!(client.send(call(url.to_owned())), serve_tunnel(listener));
        let failure = failed.err().unwrap();
        assert!(head.is_none());
        assert_eq!(failure.reason, Reason::Network);
        let (what, cause) = failure.message.split_once(": ").unwrap();
        assert!(what.starts_with("cannot connect to api.") && cause.contains(why), "{failure}");
    }
}

#[tokio::test]
async fn http_request_is_sent_to_the_proxy_with_the_absolute_url() {
    let (listener, port) = listener().await;
    let client = client(proxy(format!("http://user:pass%20word@127.0.0.1:{port}")), trust_none());
    let serving = async {
        let mut stream = listener.accept().await.unwrap().0;
        let head = read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        head
    };
    let sending = client.send(call("http://api.example.com:8080/v1?a=b".to_owned()));
    let (response, head) = tokio::join!(sending, serving);
    assert_eq!(read_body(response.unwrap().body, 10).await.unwrap(), "ok");
    let head = head.to_lowercase();
    assert!(head.starts_with("post http://api.example.com:8080/v1?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: api.example.com:8080\r\n") && head.contains(AUTHORIZED), "{head}");
}

#[tokio::test]
async fn no_proxy_hosts_are_connected_directly() {
    let (proxied, proxy) = listener().await;
    let (direct, port) = listener().await;
    let proxy = Proxy::all(format!("http://user:p@127.0.0.1:{proxy}")).unwrap();
    let client = client(Some(proxy.no_proxy(NoProxy::from_string("intern.lan,10.0.0.0/8"))), trust_none());
    for (host, is_direct) in [("box.intern.lan", true), ("box.lan", false), ("api.example.com", false)] {
        let sending = client.send(call(format!("http://{host}:{port}/v1")));
        tokio::select! {
            _ = sending => panic!("no response was sent"),
            _ = direct.accept() => assert!(is_direct, "{host}"),
            _ = proxied.accept() => assert!(!is_direct, "{host}"),
        }
    }
}

#[tokio::test]
async fn name_of_a_proxy_is_guarded_and_names_behind_it_are_not() {
    for (name, is_connected) in [("proxy.example.com", false), ("proxy", true)] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("http://{name}:{port}")), trust_none());
        tokio::select! {
            refused = client.send(call("http://api.example.com/v1".to_owned())) => {
                let failure = refused.err().unwrap();
                assert!(!is_connected && failure.message.contains("resolves proxy.example.com"), "{failure}");
            }
            _ = listener.accept() => assert!(is_connected, "{name}"),
        }
    }
}

#[tokio::test]
async fn socks_proxy_is_used() {
    for url in ["https://api.moonshot.ai/v1", "http://box.lan/v1"] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("socks5h://127.0.0.1:{port}")), trust_providers());
        let greeting = async { listener.accept().await.unwrap().0.read_u8().await.unwrap() };
        tokio::select! {
            _ = client.send(call(url.to_owned())) => panic!("no response was sent"),
            version = greeting => assert_eq!(version, 5, "RFC 1928, 3"),
        }
    }
}
