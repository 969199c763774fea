//! The providers' hosts under their own names, without the internet: a proxy that leads them to the simulator, and
//! nowhere else.

use std::convert::Infallible;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::common::reference::file;

/// Each host, and the simulator's path for it.
const HOSTS: [(&str, &str); 4] = [
    ("api.moonshot.ai", "/moonshot"),
    ("api.moonshot.cn", "/moonshot"),
    ("api.kimi.com", "/kimi"),
    ("openrouter.ai", "/openrouter"),
];

type Anything = Box<dyn Error + Send + Sync>;

/// Serves until it is dropped.
pub(super) struct Internet {
    /// For `HTTPS_PROXY`.
    pub(super) proxy: String,
    beyond: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Way {
    /// `host:port` of the simulator.
    simulator: String,
    tls: TlsAcceptor,
    /// The requests with their hosts, one per line.
    log: Arc<Mutex<File>>,
    beyond: Arc<Mutex<Vec<String>>>,
}

impl Internet {
    /// `log` gets a line `HOST METHOD PATH` for each request, before it is answered.
    pub(super) async fn start(simulator: &str, log: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let beyond = Arc::<Mutex<Vec<String>>>::default();
        let simulator = simulator.strip_prefix("http://").unwrap().to_owned();
        let way = Way { simulator, tls: acceptor(), log: Arc::new(Mutex::new(log)), beyond: beyond.clone() };
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let way = way.clone();
                // A client may disconnect.
                tokio::spawn(async move { drop(way.connect(stream).await) });
            }
        });
        Self { proxy, beyond, serving }
    }

    /// Requests for unknown hosts; there must be none.
    pub(super) fn beyond(&self) -> Vec<String> {
        self.beyond.lock().unwrap().clone()
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// With the certificate for these hosts, signed by the authority that the scripts' programs trust.
fn acceptor() -> TlsAcceptor {
    let pem = |name: &str| file(&format!("tests/seeds/certificates/{name}"));
    let certificate = CertificateDer::from_pem_file(pem("providers.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem("providers.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Way {
    async fn connect(self, mut stream: TcpStream) -> Result<(), Anything> {
        let asked = head(&mut stream).await?;
        let target = asked.split_whitespace().nth(1).unwrap_or_default();
        let known = HOSTS.into_iter().find(|(host, _)| target == format!("{host}:443"));
        let Some((host, below)) = known.filter(|_| asked.starts_with("CONNECT ")) else {
            self.beyond.lock().unwrap().push(asked.lines().next().unwrap_or_default().to_owned());
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(());
        };
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        let stream = TokioIo::new(self.tls.accept(stream).await?);
        let service = service_fn(|request| self.answer(host, below, request));
        Ok(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await?)
    }

    async fn answer(
        &self,
        host: &str,
        below: &str,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
        {
            let line = format!("{host} {} {}\n", request.method(), request.uri().path());
            self.log.lock().unwrap().write_all(line.as_bytes()).unwrap();
        }
        let answered = self.simulated(below, request).await;
        Ok(answered.map(|response| response.map(BodyExt::boxed)).unwrap_or_else(|error| {
            let text =
                Full::new(Bytes::from(format!("no simulator: {error}"))).map_err(|never| match never {});
            Response::builder().status(502).body(text.boxed()).unwrap()
        }))
    }

    /// The unchanged request, except for the prefix of its path.
    async fn simulated(
        &self,
        below: &str,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Anything> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = format!("{below}{path}").parse()?;
        let stream = TokioIo::new(TcpStream::connect(&self.simulator).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// What a client sends to a proxy before it waits for the answer.
async fn head(stream: &mut TcpStream) -> Result<String, Anything> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
