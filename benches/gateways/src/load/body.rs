//! Response bodies: content lengths and chunked encoding.

/// Where a body ends.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(usize),
    /// HTTP chunks.
    Chunked(Chunk),
    /// With the connection.
    Close,
}

/// A place in a chunked body.
#[derive(Debug)]
pub(super) enum Chunk {
    /// In the digits of a length, with its value until here.
    Size(usize),
    /// Behind the digits.
    Extension(usize),
    /// In the data, with what is left of it.
    Data(usize),
    /// In the line end after the data.
    After,
    /// In a line of the trailer, with its length until here.
    Trailer(usize),
    /// Behind the end.
    Done,
}

impl Framing {
    /// Whether the body is complete without another byte.
    pub(super) const fn done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Hands the data in `bytes` to `data`; says how many bytes belonged to the body, `None` when it is malformed.
    pub(super) fn take(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Option<usize> {
        match self {
            Self::Length(left) => {
                let count = bytes.len().min(*left);
                *left -= count;
                data(&bytes[..count]);
                Some(count)
            }
            Self::Close => {
                data(bytes);
                Some(bytes.len())
            }
            Self::Chunked(state) => {
                let mut place = 0;
                while place < bytes.len() && !matches!(state, Chunk::Done) {
                    place += state.step(&bytes[place..], &mut data)?;
                }
                Some(place)
            }
        }
    }
}

impl Chunk {
    fn step(&mut self, bytes: &[u8], data: &mut impl FnMut(&[u8])) -> Option<usize> {
        let byte = *bytes.first()?;
        let (next, count) = match *self {
            Self::Size(size) => match byte {
                b'\r' | b';' | b' ' => (Self::Extension(size), 1),
                _ => (Self::Size((size << 4) | char::from(byte).to_digit(16)? as usize), 1),
            },
            Self::Extension(size) if byte == b'\n' => {
                (if size == 0 { Self::Trailer(0) } else { Self::Data(size) }, 1)
            }
            Self::Extension(size) => (Self::Extension(size), 1),
            Self::Data(left) => {
                let count = bytes.len().min(left);
                data(&bytes[..count]);
                (if count == left { Self::After } else { Self::Data(left - count) }, count)
            }
            Self::After if byte == b'\n' => (Self::Size(0), 1),
            Self::After if byte == b'\r' => (Self::After, 1),
            Self::After => return None,
            Self::Trailer(0) if byte == b'\n' => (Self::Done, 1),
            Self::Trailer(_) if byte == b'\n' => (Self::Trailer(0), 1),
            Self::Trailer(length) => (Self::Trailer(if byte == b'\r' { length } else { length + 1 }), 1),
            Self::Done => (Self::Done, 0),
        };
        *self = next;
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Option<(Vec<u8>, bool, usize)> {
        let mut framing = Framing::Chunked(Chunk::Size(0));
        let mut data = Vec::new();
        let mut taken = 0;
        for piece in pieces {
            taken = framing.take(piece, |bytes| data.extend_from_slice(bytes))?;
        }
        Some((data, framing.done(), taken))
    }

    #[test]
    fn chunks_are_joined_at_any_boundary() {
        let text = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\ntrailer: x\r\n\r\n";
        for cut in 0..text.len() {
            let (data, done, _) = read(&[&text[..cut], &text[cut..]]).expect("it is well formed");
            assert_eq!((&data[..], done), (&b"hello world"[..], true), "cut at {cut}");
        }
    }

    #[test]
    fn bytes_after_the_body_are_ignored() {
        let (_, done, taken) = read(&[b"1\r\nx\r\n0\r\n\r\nHTTP/1.1"]).expect("it is well formed");
        assert!(done);
        assert_eq!(taken, 11);
    }

    #[test]
    fn invalid_length_is_malformed() {
        assert!(read(&[b"xyz\r\n"]).is_none());
    }
}
