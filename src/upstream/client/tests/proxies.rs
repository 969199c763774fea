//! A listener of the test is the proxy.

use std::path::Path;

use http::header::AUTHORIZATION;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::read_body;

/// `user:pass word`
const AUTHORIZED: &str = "proxy-authorization: basic dxnlcjpwyxnzihdvcmq=\r\n";

fn proxy(url: String) -> Option<Matcher> {
    Some(Matcher::builder().all(url).build())
}

fn seed(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/certificates").join(name)
}

/// Trusts the authority that signed for the providers' hosts.
fn trusting() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(seed("authority.pem")).unwrap()).unwrap();
    tls::trusting(roots).unwrap()
}

/// The providers' hosts.
fn acceptor(protocol: &str) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let certificate = CertificateDer::from_pem_file(seed("providers.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(seed("providers.key.pem")).unwrap();
    let mut config = versions.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A proxy that requires a tunnel, and the host at its end, which reports what it received.
async fn tunnel(listener: TcpListener, protocol: &str) -> String {
    let mut stream = listener.accept().await.unwrap().0;
    let asked = head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // It may be refused.
    let Ok(stream) = acceptor(protocol).accept(stream).await else { return asked };
    let answer = service_fn(async |request: http::Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let told = format!("{:?} {} {:?} {body:?}", head.version, head.uri, head.headers);
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::from(told)))
    });
    let stream = TokioIo::new(stream);
    // Ends when the client goes away.
    let _ = match protocol {
        "h2" => http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answer).await,
        _ => http1::Builder::new().serve_connection(stream, answer).await,
    };
    asked
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_the_proxy_gives_to_its_user() {
    for protocol in ["http/1.1", "h2"] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("http://user:pass%20word@127.0.0.1:{port}")), trusting());
        let tunnel = tokio::spawn(tunnel(listener, protocol));
        let mut call = call("https://api.moonshot.ai/v1/models".to_owned());
        call.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer sk-moon"));
        let answer = client.send(call).await.unwrap();
        let told = String::from_utf8(read_body(answer.body, 1000).await.unwrap().to_vec()).unwrap();
        drop(client);
        let asked = tunnel.await.unwrap().to_lowercase();
        assert!(asked.starts_with("connect api.moonshot.ai:443 http/1.1\r\nhost: api.moonshot.ai:443\r\n"));
        assert!(asked.contains(AUTHORIZED) && !asked.contains("sk-moon"), "{asked}");
        let line = match protocol {
            "h2" => "HTTP/2.0 https://api.moonshot.ai/v1/models ",
            _ => "HTTP/1.1 /v1/models ",
        };
        assert!(told.starts_with(line) && told.contains("sk-moon") && told.contains("b\"moon\""), "{told}");
        assert!(!told.contains("proxy-"), "{told}");
    }
}

#[tokio::test]
async fn a_host_at_the_end_of_a_tunnel_has_to_be_the_one_that_is_meant() {
    let wrong_name = ("https://api.example.com/v1", trusting(), "not valid for name");
    let unknown = ("https://api.moonshot.ai/v1", tls::trust_none().unwrap(), "UnknownIssuer");
    for (url, tls, why) in [wrong_name, unknown] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("http://127.0.0.1:{port}")), tls);
        let tunnel = tokio::spawn(tunnel(listener, "http/1.1"));
        let failure = client.send(call(url.to_owned())).await.err().unwrap();
        assert_eq!(failure.reason, Reason::Network);
        let (what, said) = failure.message.split_once(": ").unwrap();
        assert!(what == "cannot connect" && said.contains(why), "{failure}");
        tunnel.await.unwrap();
    }
}

#[tokio::test]
async fn http_is_passed_on_and_names_the_host() {
    let (listener, port) = listener().await;
    let client =
        client(proxy(format!("http://user:pass%20word@127.0.0.1:{port}")), tls::trust_none().unwrap());
    let passing = async {
        let mut stream = listener.accept().await.unwrap().0;
        let head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        head
    };
    let sending = client.send(call("http://api.example.com:8080/v1?a=b".to_owned()));
    let (answer, head) = tokio::join!(sending, passing);
    assert_eq!(read_body(answer.unwrap().body, 10).await.unwrap(), "ok");
    let head = head.to_lowercase();
    assert!(head.starts_with("post http://api.example.com:8080/v1?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nhost: api.example.com:8080\r\n") && head.contains(AUTHORIZED), "{head}");
}

#[tokio::test]
async fn no_proxy_is_for_the_hosts_that_it_names() {
    let (proxied, proxy) = listener().await;
    let (direct, port) = listener().await;
    let proxies =
        Matcher::builder().all(format!("http://user:p@127.0.0.1:{proxy}")).no("intern.lan,10.0.0.0/8");
    let client = client(Some(proxies.build()), tls::trust_none().unwrap());
    for (host, is_direct) in [("box.intern.lan", true), ("box.lan", false), ("api.example.com", false)] {
        let sending = client.send(call(format!("http://{host}:{port}/v1")));
        tokio::select! {
            _ = sending => panic!("nobody answers"),
            _ = direct.accept() => assert!(is_direct, "{host}"),
            _ = proxied.accept() => assert!(!is_direct, "{host}"),
        }
    }
}

#[tokio::test]
async fn the_name_of_a_proxy_is_looked_at_and_what_it_looks_up_is_not() {
    for (name, is_reached) in [("proxy.example.com", false), ("proxy", true)] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("http://{name}:{port}")), tls::trust_none().unwrap());
        tokio::select! {
            refused = client.send(call("http://api.example.com/v1".to_owned())) => {
                let failure = refused.err().unwrap();
                assert!(!is_reached && failure.message.contains("leads proxy.example.com"), "{failure}");
            }
            _ = listener.accept() => assert!(is_reached, "it was asked to carry the request"),
        }
    }
}

#[tokio::test]
async fn a_proxy_of_another_kind_is_not_gone_around() {
    for url in ["https://api.moonshot.ai/v1", "http://box.lan/v1"] {
        let (listener, port) = listener().await;
        let client = client(proxy(format!("socks5://127.0.0.1:{port}")), trusting());
        let failure = client.send(call(url.to_owned())).await.err().unwrap();
        assert_eq!(failure.message, "cannot connect: unsupported scheme socks5");
        assert!(listener.accept().now_or_never().is_none());
    }
}
