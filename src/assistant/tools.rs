//! Tools that a model can call during a turn.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

/// The result of a call, or its error; both are text for the model.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// One tool.
pub trait Tool: Send + Sync {
    /// The definition as in the Messages API: `name`, `description`, `input_schema`.
    fn definition(&self) -> Value;

    /// Calls it. Dropping the future cancels the call.
    fn call<'a>(&'a self, arguments: &'a Value) -> ToolFuture<'a>;
}

/// The tools offered in a turn.
#[derive(Clone, Default)]
pub struct ToolSet {
    tools: Vec<Arc<dyn Tool>>,
    definitions: Vec<Value>,
}

impl ToolSet {
    /// Adds a tool.
    #[must_use]
    pub fn with_tool(mut self, tool: Arc<dyn Tool>) -> Self {
        self.definitions.push(tool.definition());
        self.tools.push(tool);
        self
    }

    pub(super) fn definitions(&self) -> &[Value] {
        &self.definitions
    }

    /// The tools' names in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.definitions.iter().map(|definition| definition["name"].as_str().unwrap_or_default()).collect()
    }

    /// Calls the tool of this name.
    ///
    /// # Errors
    /// The tool's error, an unknown name, or arguments that are not a JSON object.
    pub(super) async fn call(&self, name: &str, arguments: &Value) -> Result<String, String> {
        let names = self.names();
        let index = names.iter().position(|known| *known == name);
        let Some(tool) = index.and_then(|index| self.tools.get(index)) else {
            let there = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
            return Err(format!("no tool is called {name:?}; there are: {there}"));
        };
        if !arguments.is_object() {
            return Err(format!("the arguments of {name} are not a JSON object"));
        }
        tool.call(arguments).await
    }
}
