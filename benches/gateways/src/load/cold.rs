//! One request after another, each when nothing of the gateway is in its processor's own caches: what it finds after a
//! pause on a busy machine, but the same for every row and in every round.

use std::hint::black_box;
use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use super::open::until;
use super::{Samples, Shared, Target, ask};
use crate::clock;
use crate::process::pin;

/// More than the second level of a core has, in bytes; the third, which cores share, keeps what it had.
const BYTES: usize = 8 << 20;
/// Bytes from one line of a cache to the next.
const LINE: usize = 64;
/// Nanoseconds until the processor sleeps again.
const REST: u64 = 150_000;

/// Fills the caches of one processor with something else.
#[derive(Debug)]
struct Emptier {
    ask: Sender<()>,
    done: Receiver<()>,
}

impl Emptier {
    /// On this core.
    fn start(core: usize) -> io::Result<Self> {
        let ((ask, asked), (tell, done)) = (channel(), channel());
        thread::Builder::new().name("emptier".to_owned()).spawn(move || {
            // Without the core the measurement is meaningless, which is an error there.
            let Ok(()) = pin(core) else { return };
            let mut filler = vec![1_u8; BYTES];
            while asked.recv().is_ok() {
                filler.iter_mut().step_by(LINE).for_each(|byte| *byte = byte.wrapping_add(1));
                black_box(&filler);
                if tell.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ask, done })
    }

    /// Once, to its end.
    async fn empty(&self) -> Result<(), String> {
        let gone = || "the caches could not be emptied".to_owned();
        self.ask.send(()).map_err(|_| gone())?;
        while let Err(why) = self.done.try_recv() {
            if why == TryRecvError::Disconnected {
                return Err(gone());
            }
            tokio::task::yield_now().await;
        }
        until(clock::now() + REST).await;
        Ok(())
    }
}

/// Asks so often, after a tenth of that to warm up, over one connection. `begun` is called when the first request that
/// counts is about to go out.
pub async fn cold(target: &Target, core: usize, count: usize, begun: impl FnOnce()) -> Samples {
    let shared = Shared::default();
    let (mut begun, mut uncounted) = (Some(begun), 0);
    let warm = count.div_ceil(10);
    let emptier = Emptier::start(core).map_err(|error| error.to_string());
    let start = clock::now();
    let mut open = None;
    for index in 0..warm + count {
        let emptied = match &emptier {
            Ok(emptier) => emptier.empty().await,
            Err(why) => Err(why.clone()),
        };
        if index == warm
            && let Some(begun) = begun.take()
        {
            uncounted = shared.take().right;
            begun();
        }
        let sent = clock::now();
        let reply = match emptied {
            Ok(()) => ask(target, &mut open).await,
            Err(why) => Err(why),
        };
        shared.add(sent, reply);
    }
    let mut samples = Samples { uncounted, ..shared.take() };
    samples.elapsed = clock::now() - start;
    samples
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CpuSet, sched_getaffinity};

    use super::*;
    use crate::bodies;
    use crate::case::Case;
    use crate::mock::Mock;
    use crate::rows::all;

    async fn asked(core: usize) -> (Samples, u32) {
        let mock = Mock::start(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let direct = all("moonrelay".as_ref(), None, None).remove(0);
        let place = crate::row::Place { home: ".".as_ref(), port: mock.address.port(), mock: mock.address };
        let request = direct.request(Case::ColdStream, &place).expect("it streams");
        let target = bodies::target(mock.address, Case::ColdStream, &request);
        let mut begun = 0;
        let samples = cold(&target, core, 5, || begun += 1).await;
        (samples, begun)
    }

    #[tokio::test]
    async fn warm_up_requests_do_not_count() {
        let allowed = sched_getaffinity(None).expect("Linux");
        let core = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).expect("a core");
        let (samples, begun) = asked(core).await;
        assert_eq!((samples.right, samples.wrong, begun), (5, 0, 1), "{:?}", samples.fault);
        assert_eq!((samples.whole.len(), samples.first.len()), (5, 5));
    }

    #[tokio::test]
    async fn missing_core_sends_no_requests() {
        let (samples, _) = asked(CpuSet::MAX_CPU - 1).await;
        assert_eq!((samples.right, samples.wrong), (0, 5));
        assert_eq!(samples.fault.as_deref(), Some("the caches could not be emptied"));
    }
}
