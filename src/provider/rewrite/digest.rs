//! A short, stable name for a text: FNV-1a, because the standard hasher may change between compilers and a changed
//! id would cost the provider's prompt cache.

/// Lower-case hexadecimal digits, at most 32, that depend on nothing but `parts` and their borders.
#[must_use]
pub(in crate::provider) fn hex(parts: &[&str], digits: usize) -> String {
    let mut text =
        format!("{:016x}{:016x}", fnv(parts, 0xcbf2_9ce4_8422_2325), fnv(parts, 0x6c62_272e_07bb_0142));
    text.truncate(digits);
    text
}

fn fnv(parts: &[&str], seed: u64) -> u64 {
    let mut hash = seed;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    // FNV's high bits mix late; this spreads them (the finaliser of MurmurHash3).
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_stable_and_sees_borders() {
        assert_eq!(hex(&["functions.exec:0", "1"], 24), hex(&["functions.exec:0", "1"], 24));
        assert_ne!(hex(&["ab", "c"], 24), hex(&["a", "bc"], 24));
        assert_eq!(hex(&["x"], 24).len(), 24);
        // A pinned value: ids derived from it are in provider caches.
        assert_eq!(hex(&["functions.exec:0", "1", "0"], 24), "d2e36977e5c6c2c5804d3ce4");
    }
}
