//! nginx as a reverse proxy with a recommended configuration.

use crate::case::Case;
use crate::row::{Launch, Place, Request, Row, UPSTREAM_KEY};
use crate::rows::{direct, program};

/// One worker, upstream keep-alive, no response buffering.
pub struct Nginx;

impl Row for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn launch(&self, place: &Place<'_>) -> Result<Launch, String> {
        let program = program("nginx").ok_or("not installed: apt-get install nginx-light")?;
        let mut launch = Launch::of([program.as_os_str(), "-p".as_ref(), place.home.as_os_str()])
            .file("nginx.conf", configuration(place));
        launch.command.extend(["-c", "nginx.conf", "-e", "stderr"].map(Into::into));
        Ok(launch)
    }

    fn request(&self, case: Case, _: &Place<'_>) -> Option<Request> {
        (!matches!(case, Case::Translation | Case::Fallback)).then(|| direct::through(case)).flatten()
    }
}

fn configuration(place: &Place<'_>) -> String {
    let Place { mock, port, .. } = place;
    format!(
        r#"daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr error;
worker_rlimit_nofile 65536;
events {{ worker_connections 32768; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_buffer_size 8m;
  upstream mock {{ server {mock}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer {UPSTREAM_KEY}";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"#
    )
}
