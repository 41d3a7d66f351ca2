//! Records one after the other in a file that may have been cut anywhere: by a crash, or by a full disk.

/// Puts a record behind others: its length and its checksum (CRC-32 of both), four bytes each, little-endian, and then
/// itself.
pub fn append(records: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len())
        .expect("a record is far below 4 GB")
        .to_le_bytes();
    records.extend_from_slice(&length);
    records.extend_from_slice(&checksum(length, record));
    records.extend_from_slice(record);
}

/// The records at the beginning that are whole, in order. What follows the first that is not is no record.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        bytes = rest;
        (checksum(*length, record) == *sum).then_some(record)
    })
    .fuse()
}

/// How many bytes a record takes in a file.
pub fn stored_len(record: &[u8]) -> usize {
    HEAD_BYTES + record.len()
}

fn checksum(length: [u8; 4], record: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(record);
    hasher.finalize().to_le_bytes()
}

const HEAD_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(records: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for record in records {
            append(&mut file, record);
        }
        file
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_gives_all_records_before_the_cut(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            garbage in prop::collection::vec(any::<u8>(), 0..7),
        ) {
            let whole = file(&records);
            let mut end = 0;
            let ends: Vec<usize> = records.iter().map(|record| { end += stored_len(record); end }).collect();
            for cut in 0..=whole.len() {
                let complete = ends.iter().filter(|end| **end <= cut).count();
                let read_back: Vec<&[u8]> = read(&whole[..cut]).collect();
                prop_assert_eq!(&read_back, &records[..complete].iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
            let mut dirty = whole;
            dirty.extend_from_slice(&garbage);
            prop_assert_eq!(read(&dirty).count(), records.len());
        }

        #[test]
        fn what_was_changed_is_no_record(record in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut file = file(&[record]);
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            prop_assert_eq!(read(&file).count(), 0);
        }
    }
}
