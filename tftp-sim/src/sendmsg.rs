//! What a network makes of a transmission: datagrams, joined from their pieces where they are in pieces.

use tftp_proto::wire::DATA_HEADER;

/// The datagrams of `len` bytes in all, each but the last of `segment_size`. They stand in `out`, or with `body` their
/// headers do.
///
/// # Panics
///
/// If there are not exactly as many bytes as `len` says.
#[must_use]
pub fn datagrams(out: &[u8], len: usize, segment_size: Option<usize>, body: Option<[&[u8]; 2]>) -> Vec<Vec<u8>> {
    let segment = segment_size.unwrap_or(len).max(1);
    let Some(body) = body else {
        return out[..len].chunks(segment).map(<[u8]>::to_vec).collect();
    };
    let body = body.concat();
    let count = len.div_ceil(segment);
    assert_eq!(body.len(), len - count * DATA_HEADER, "a body that is too long or too short");
    let headers = out[..count * DATA_HEADER].chunks(DATA_HEADER);
    let payload = segment - DATA_HEADER;
    headers
        .enumerate()
        .map(|(index, header)| {
            let start = index * payload;
            [header, &body[start..body.len().min(start + payload)]].concat()
        })
        .collect()
}
