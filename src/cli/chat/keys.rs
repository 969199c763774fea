//! Keys that mean something else here than at a shell's prompt.

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers, Movement,
    RepeatCount,
};

/// Each with what it does.
pub(super) fn bindings() -> [(Event, EventHandler); 3] {
    let one = |key, with| Event::from(KeyEvent(key, with));
    [
        (one(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline)),
        (one(KeyCode::Enter, Modifiers::NONE), EventHandler::Conditional(Box::new(Continue))),
        (one(KeyCode::Char('C'), Modifiers::CTRL), EventHandler::Conditional(Box::new(Clear))),
    ]
}

/// A backslash before Enter begins another line, as in a shell.
struct Continue;

impl ConditionalEventHandler for Continue {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, at) = (context.line(), context.pos());
        let ends = at == line.len() && line.ends_with('\\');
        ends.then(|| Cmd::Replace(Movement::BackwardChar(1), Some("\n".to_owned())))
    }
}

/// Ctrl-C first throws away what was typed.
struct Clear;

impl ConditionalEventHandler for Clear {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::WholeBuffer))
    }
}
