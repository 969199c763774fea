//! A request body made of slices, with its exact length.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Up to here a copy costs less than what hyper does for each slice.
const COPY_LIMIT: u64 = 4096;

/// Slices, sent in order; without a copy where they are large.
pub(super) struct SlicedBody {
    parts: VecDeque<Bytes>,
    remaining: u64,
}

impl SlicedBody {
    pub(super) fn new(parts: Vec<Bytes>) -> Self {
        let remaining = parts.iter().map(|part| part.len() as u64).sum();
        let parts =
            if parts.len() > 1 && remaining <= COPY_LIMIT { vec![parts.concat().into()] } else { parts };
        Self { parts: parts.into(), remaining }
    }
}

impl Body for SlicedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.pop_front();
        if let Some(part) = &part {
            self.remaining = self.remaining.saturating_sub(part.len() as u64);
        }
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn what_is_small_is_one_slice_and_nothing_is_lost() {
        let large = COPY_LIMIT as usize + 1;
        for (lengths, frames) in [
            (vec![], 0),
            (vec![0], 1),
            (vec![0, 0], 1),
            (vec![3, 0, 5], 1),
            (vec![large - 2, 1], 1),
            (vec![large - 1, 1], 2),
            (vec![large], 1),
            (vec![1, large, 1], 3),
        ] {
            let parts: Vec<Bytes> =
                lengths.iter().zip(b'a'..).map(|(n, byte)| vec![byte; *n].into()).collect();
            let whole = parts.concat();
            let (mut body, mut read, mut count) = (SlicedBody::new(parts), Vec::new(), 0);
            loop {
                assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64), "{lengths:?}");
                let Some(frame) = body.frame().await else { break };
                read.extend(frame.unwrap().into_data().unwrap());
                count += 1;
            }
            assert_eq!((read, count), (whole, frames), "{lengths:?}");
            assert!(body.is_end_stream());
        }
    }
}
