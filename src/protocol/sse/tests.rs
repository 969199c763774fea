//! Frames are independent of how the bytes are split, and contain every byte.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Frame, FrameReader};

fn drain(reader: &mut FrameReader, into: &mut Vec<Frame>) {
    while let Some(frame) = reader.next_frame().unwrap() {
        into.push(frame);
    }
}

fn read(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    for piece in pieces {
        reader.feed(Bytes::copy_from_slice(piece));
        drain(&mut reader, &mut frames);
    }
    frames.extend(reader.finish());
    frames
}

fn shown(frames: &[Frame]) -> Vec<(Vec<u8>, Option<Vec<u8>>, bool)> {
    frames.iter().map(|f| (f.raw.to_vec(), f.data().map(|d| d.to_vec()), f.is_terminated)).collect()
}

fn payloads(stream: &[u8]) -> Vec<Option<String>> {
    read(&[stream]).iter().map(|f| f.data().map(|d| String::from_utf8(d.to_vec()).unwrap())).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn consumed_bytes_are_released_while_waiting() {
    for stream in ["data: a\n\n", "data: a\n\ndata: b", "data: a\r\n\r"] {
        let (fed, mut reader) = (Bytes::from(stream.as_bytes().to_vec()), FrameReader::new());
        reader.feed(fed.clone());
        drain(&mut reader, &mut Vec::new());
        assert!(fed.is_unique(), "{stream:?}");
    }
}

#[test]
fn every_line_end_is_accepted() {
    for stream in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
        assert_eq!(payloads(stream.as_bytes()), some(&["a", "b"]), "{stream:?}");
    }
    assert_eq!(payloads(b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r"), some(&["a", "b", "c"]));
}

#[test]
fn lines_with_bare_crs_do_not_wait_for_an_lf() {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    reader.feed(Bytes::from_static(b"data: a\r\r"));
    drain(&mut reader, &mut frames);
    assert_eq!(frames.len(), 1);
}

#[test]
fn crlf_split_between_chunks_is_one_line_end() {
    let frames = read(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]);
    assert_eq!(frames[0].raw, "data: a\r\n\r\n");
    assert_eq!(frames[1].raw, "data: b\r\n\r\n");
    assert_eq!(frames[1].input_span, Some(1..12));
}

#[test]
fn data_lines_are_joined_and_one_space_is_dropped() {
    assert_eq!(payloads(b"data:a\ndata:  b\ndata\n\n"), some(&["a\n b\n"]));
    assert_eq!(payloads(b": hello\nid: 7\nevent: x\ndata: 1\n\n"), some(&["1"]));
    assert_eq!(payloads(b"database: 1\n\n"), [None]);
    assert_eq!(payloads(b"data\n\n"), some(&[""]));
}

#[test]
fn comments_and_blank_lines_are_frames() {
    let frames = read(&[b": OPENROUTER PROCESSING\n\n\ndata: a\n\n"]);
    let raws: Vec<_> = frames.iter().map(|frame| frame.raw.clone()).collect();
    assert_eq!(raws, [": OPENROUTER PROCESSING\n\n", "\n", "data: a\n\n"]);
    assert_eq!(frames[0].data(), None);
}

#[test]
fn last_frame_may_lack_its_empty_line() {
    let frames = read(&[b"data: a\n\ndata: b"]);
    assert_eq!((frames[0].is_terminated, frames[1].is_terminated), (true, false));
    assert_eq!(frames[1].data().unwrap(), "b");
}

#[test]
fn byte_order_mark_is_dropped_only_at_the_start() {
    assert_eq!(payloads(b"\xef\xbb\xbfdata: a\n\n"), some(&["a"]));
    let cut = read(&[b"\xef", b"\xbb", b"\xbfdata: a\n\n"]);
    assert_eq!(cut[0].raw, "data: a\n\n");
    let none = read(&[b"\xef\xbb", b"data: a\n\n"]);
    assert_eq!(none[0].raw, &b"\xef\xbbdata: a\n\n"[..]);
    assert_eq!(read(&[b"\xef\xbb"])[0].raw, &b"\xef\xbb"[..]);
}

#[test]
fn the_event_name_is_read() {
    let frames = read(&[b"event: error\ndata: {}\n\n"]);
    assert_eq!(frames[0].event_name().unwrap(), "error");
}

#[test]
fn frame_beyond_the_limit_is_an_error() {
    let mut reader = FrameReader::with_max_bytes(16);
    reader.feed(Bytes::from_static(b"data: 0123456789"));
    assert!(reader.next_frame().unwrap().is_none());
    reader.feed(Bytes::from_static(b"x"));
    assert_eq!(reader.next_frame().unwrap_err().max_bytes, 16);
    let mut reader = FrameReader::with_max_bytes(16);
    reader.feed(Bytes::from_static(b"data: 0123456789\n\n"));
    assert!(reader.next_frame().is_err());
}

#[test]
fn frames_in_one_chunk_are_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut reader = FrameReader::new();
    reader.feed(chunk.clone());
    let mut frames = Vec::new();
    drain(&mut reader, &mut frames);
    assert_eq!(frames[1].raw.as_ptr(), chunk[9..].as_ptr());
    assert_eq!(frames[1].data().unwrap().as_ptr(), chunk[15..].as_ptr());
}

#[test]
fn untaken_bytes_survive_the_next_feed() {
    let mut reader = FrameReader::new();
    reader.feed(Bytes::from_static(b"data: a\n\ndata: b\n\nda"));
    assert_eq!(reader.next_frame().unwrap().unwrap().data().unwrap(), "a");
    reader.feed(Bytes::from_static(b"ta: c\n\n"));
    let mut frames = Vec::new();
    drain(&mut reader, &mut frames);
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].data().unwrap(), "c");
}

fn stream_text() -> impl Strategy<Value = Vec<u8>> {
    const TOKENS: [&[u8]; 12] = [
        b"\n",
        b"\r",
        b"\r\n",
        b"data: ",
        b"data:",
        b": c",
        b"event: e",
        "é€𝄞".as_bytes(),
        b"x",
        b"\xef\xbb\xbf",
        b"\xef",
        b"\xff",
    ];
    let token = prop::sample::select(&TOKENS[..]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// The lines of a stream as the standard defines them: LF, CRLF or CR ends one.
fn reference_payloads(stream: &[u8]) -> Vec<Vec<u8>> {
    let text = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let (mut events, mut data, mut line, mut at) = (Vec::new(), None::<Vec<u8>>, Vec::new(), 0);
    while at < text.len() {
        let byte = text[at];
        at += 1;
        if byte != b'\n' && byte != b'\r' {
            line.push(byte);
            continue;
        }
        if byte == b'\r' && text.get(at) == Some(&b'\n') {
            at += 1;
        }
        if line.is_empty() {
            events.extend(data.take());
        }
        reference_line(&std::mem::take(&mut line), &mut data);
    }
    reference_line(&line, &mut data);
    events.extend(data);
    events
}

fn reference_line(line: &[u8], data: &mut Option<Vec<u8>>) {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = colon.map_or((line, &b""[..]), |colon| (&line[..colon], &line[colon + 1..]));
    if name == b"data" {
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match data {
            Some(data) => *data = [data, &b"\n"[..], value].concat(),
            None => *data = Some(value.to_vec()),
        }
    }
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_chunk_boundaries(stream in stream_text(), cuts in prop::collection::vec(0..200_usize, 0..8)) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut at = 0;
        for cut in cuts {
            pieces.push(&stream[at..cut]);
            at = cut;
        }
        pieces.push(&stream[at..]);
        let whole = shown(&read(&[&stream]));
        prop_assert_eq!(&shown(&read(&pieces)), &whole);
        let bytewise: Vec<_> = stream.chunks(1).collect();
        prop_assert_eq!(&shown(&read(&bytewise)), &whole);
    }

    #[test]
    fn frames_contain_every_byte(stream in stream_text()) {
        let raw: Vec<u8> = read(&[&stream]).iter().flat_map(|frame| frame.raw.to_vec()).collect();
        let expected = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&stream);
        prop_assert_eq!(raw, expected);
    }

    #[test]
    fn payloads_match_the_standard(stream in stream_text()) {
        let payloads: Vec<_> = read(&[&stream]).iter().filter_map(|f| f.data().map(|d| d.to_vec())).collect();
        prop_assert_eq!(payloads, reference_payloads(&stream));
    }
}
