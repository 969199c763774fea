//! Keys that mean something else here than at a shell's prompt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::{
    Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, KeyCode, KeyEvent, Modifiers, Movement,
    RepeatCount,
};

/// Each with what it does. `continued` is set when a backslash before Enter has begun another line; the backslash stays
/// until [`joined`].
pub(super) fn key_bindings(continued: &Arc<AtomicBool>) -> [(Event, EventHandler); 3] {
    let one = |key, with| Event::from(KeyEvent(key, with));
    [
        (one(KeyCode::Enter, Modifiers::ALT), EventHandler::Simple(Cmd::Newline)),
        (
            one(KeyCode::Enter, Modifiers::NONE),
            EventHandler::Conditional(Box::new(ContinueLine(continued.clone()))),
        ),
        (one(KeyCode::Char('C'), Modifiers::CTRL), EventHandler::Conditional(Box::new(ClearLine))),
    ]
}

/// A backslash before Enter begins another line, as in a shell.
struct ContinueLine(Arc<AtomicBool>);

impl ConditionalEventHandler for ContinueLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, at) = (context.line(), context.pos());
        let ends = at == line.len() && line.ends_with('\\');
        ends.then(|| {
            self.0.store(true, Ordering::Relaxed);
            Cmd::Newline
        })
    }
}

/// A text without the backslashes that began its lines. One that was pasted with such lines keeps them.
pub(super) fn strip_continuations(text: String, continued: &AtomicBool) -> String {
    if continued.swap(false, Ordering::Relaxed) { text.replace("\\\n", "\n") } else { text }
}

/// Ctrl-C first throws away what was typed.
struct ClearLine;

impl ConditionalEventHandler for ClearLine {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (!context.line().is_empty()).then_some(Cmd::Kill(Movement::WholeBuffer))
    }
}
