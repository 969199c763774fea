//! Tests over real sockets, read byte by byte: what a client of the simulator receives.

mod answers;
mod client;
mod control;
mod apis;
mod faults;
mod messages;
mod prefill;
mod refusals;
mod responses;
mod strict;
mod strictness;
mod tally;

use std::net::SocketAddr;

use serde_json::Value;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::Api;
use crate::Control;
use crate::Fault;
use crate::Provider;
use crate::Simulator;
use crate::SimulatorOptions;
use crate::tests::client::Client;

/// The providers of Kimi's models, which serve all APIs and are lenient.
const KIMI_HOSTS: [Provider; 3] = [Provider::Moonshot, Provider::Kimi, Provider::OpenRouter];

/// A running simulator; it dies with this.
struct Running {
    address: SocketAddr,
    control: Control,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn start(options: SimulatorOptions) -> Running {
    let simulator = Simulator::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
    let (address, control) = (simulator.address(), simulator.control());
    let task = tokio::spawn(simulator.run(std::future::pending()));
    Running { address, control, task }
}

impl Running {
    async fn new() -> Self {
        start(SimulatorOptions::default()).await
    }

    async fn with(faults: &[&str]) -> Self {
        let faults = faults.iter().map(|spec| spec.parse().unwrap()).collect();
        start(SimulatorOptions { faults, ..SimulatorOptions::default() }).await
    }

    fn moonshot(&self) -> Client {
        Client::new(self.address, "/moonshot/v1", "sk-test", "curl/8")
    }

    fn kimi(&self) -> Client {
        Client::new(self.address, "/kimi/coding/v1", "sk-kimi-test", "KimiCLI/1.46.0")
    }

    fn openrouter(&self) -> Client {
        Client::new(self.address, "/openrouter/api/v1", "sk-or-v1-test", "curl/8")
    }

    fn prompting(&self, provider: Provider) -> Client {
        match provider {
            Provider::Moonshot => self.moonshot(),
            Provider::Kimi => self.kimi(),
            Provider::OpenRouter => self.openrouter(),
            Provider::Anthropic => Client::new(self.address, "/anthropic/v1", "sk-ant-test", "curl/8"),
            Provider::OpenAi => Client::new(self.address, "/openai/v1", "sk-test", "curl/8"),
        }
    }

    /// A client for an API of a provider, and a model there.
    fn api(&self, provider: Provider, api: Api) -> (Client, &'static str) {
        let model = match provider {
            Provider::Moonshot => "kimi-k3",
            Provider::Kimi => "kimi-for-coding",
            Provider::OpenRouter => "moonshotai/kimi-k3",
            Provider::Anthropic => "claude-opus-5",
            Provider::OpenAi => "gpt-5.4",
        };
        (self.prompting(provider).below(provider.base_path_for(api)), model)
    }

    fn messages(&self, provider: Provider) -> (Client, &'static str) {
        let (mut client, model) = self.api(provider, Api::Messages);
        // No gate here.
        client.headers[0].1 = "curl/8".into();
        (client, model)
    }

    fn own(&self) -> Client {
        Client::new(self.address, "", "", "curl/8")
    }
}

fn ask(model: &str, text: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": text }] })
}

fn streaming(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });
    body
}

fn weather() -> Value {
    json!([{ "type": "function", "function": { "name": "get_weather", "description": "w", "parameters": {
        "type": "object",
        "properties": { "city": { "type": "string" }, "days": { "type": "integer" } },
        "required": ["city"],
    } } }])
}

/// A request of any API with a prompt.
fn prompt(api: Api, model: &str, text: &str) -> Value {
    match api {
        Api::ChatCompletions => ask(model, text),
        Api::Messages => message(model, json!(text)),
        Api::Responses => json!({ "model": model, "input": text }),
    }
}

/// A Messages request with a limit large enough for an answer.
fn message(model: &str, content: Value) -> Value {
    json!({ "model": model, "max_tokens": 4096, "messages": [{ "role": "user", "content": content }] })
}
