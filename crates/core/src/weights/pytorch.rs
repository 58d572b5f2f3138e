//! A checkpoint written by `torch.save`: `pytorch_model.bin`, or shards and their index. Such a
//! file is a zip archive with uncompressed members, so that tensors can be read in place, row by
//! row. Native only.

use std::collections::HashMap;
use std::io::Read;

use safetensors::Dtype;
use zip::{CompressionMethod, ZipArchive};

use super::checkpoint::{Checkpoint, TORCH_FILES, named_by};
use super::header::{Entry, Index, bytes_of};
use super::pickle::{Saved, state_dict};
use super::source::Source;
use crate::error::{Error, Result};
use crate::foreign;
use crate::weights::folder::Folder;

const SINGLE_FILE: &str = TORCH_FILES[0];
const INDEX_FILE: &str = TORCH_FILES[1];
/// Size limit of the pickle in bytes; that of the released model's largest shard has 60 kB.
const PICKLE_CAP: u64 = 32 << 20;
/// Most members of an archive.
const MEMBERS_CAP: usize = 1 << 16;

/// A member's place in the file.
struct Member {
    offset: u64,
    bytes: u64,
}

/// Opens a checkpoint in the layout that the folder has: safetensors, otherwise that of
/// `torch.save`.
///
/// # Errors
/// The errors of [`Checkpoint::open`]; [`Error::Checkpoint`] for a file that is not such an
/// archive, or is damaged.
pub async fn open(folder: Folder) -> Result<Checkpoint<Folder>> {
    let index = Index::read(&folder, INDEX_FILE).await?;
    let is_single = folder.path(SINGLE_FILE).is_file();
    let has_safetensors = Checkpoint::<Folder>::FILES
        .iter()
        .any(|file| folder.path(file).is_file());
    if has_safetensors || (index.is_none() && !is_single) {
        return Checkpoint::open(folder).await;
    }
    let mut headers = Vec::new();
    for file in Index::files(index.as_ref(), SINGLE_FILE) {
        let header = read_header(&folder, &file);
        let header = header.map_err(|error| named_by(index.as_ref(), INDEX_FILE, error))?;
        headers.push((file, header));
    }
    Checkpoint::from_headers(folder, index, INDEX_FILE, headers)
}

/// The tensors of `file`.
fn read_header(folder: &Folder, file: &str) -> Result<Vec<Entry>> {
    let path = folder.describe(file);
    let bad = |reason: String| Error::checkpoint(&path, reason);
    let mut head = Vec::new();
    let mut beginning = folder.handle(file)?.take(foreign::HEAD_BYTES as u64);
    beginning
        .read_to_end(&mut head)
        .map_err(|e| bad(e.to_string()))?;
    let is_zip = head.starts_with(b"PK");
    if let Some(reason) = foreign::told(&head, head.is_empty()).filter(|_| !is_zip) {
        return Err(bad(reason));
    }
    let mut archive = ZipArchive::new(folder.handle(file)?).map_err(|e| {
        bad(format!(
            "{e}; files that torch before 1.6 wrote are not read, save it again with a newer one"
        ))
    })?;
    if archive.len() > MEMBERS_CAP {
        return Err(bad(format!("it has {} members", archive.len())));
    }
    let mut pickle = None;
    let mut storages = HashMap::new();
    for index in 0..archive.len() {
        let mut member = archive
            .by_index_raw(index)
            .map_err(|e| bad(e.to_string()))?;
        let name = member.name().map_err(|e| bad(e.to_string()))?.into_owned();
        if member.compression() != CompressionMethod::Stored {
            return Err(bad(format!("its member {name} is compressed")));
        }
        let (bytes, offset) = (member.size(), member.data_start());
        // Members are "archive/data.pkl", "archive/data/12"; the name of the top folder varies.
        let within = name
            .split_once('/')
            .map_or(name.as_str(), |(_, within)| within);
        if within == "data.pkl" {
            if bytes > PICKLE_CAP {
                return Err(bad(format!("its data.pkl has {bytes} bytes")));
            }
            let mut read = Vec::new();
            let taken = member.by_ref().take(PICKLE_CAP).read_to_end(&mut read);
            taken.map_err(|e| bad(e.to_string()))?;
            pickle = Some(read);
        } else if within == "byteorder" {
            let mut order = String::new();
            let taken = member.by_ref().take(16).read_to_string(&mut order);
            taken.map_err(|e| bad(e.to_string()))?;
            if order.trim() != "little" {
                return Err(bad(format!("its numbers are {order:?}-endian")));
            }
        } else if let (Some(key), Some(offset)) = (within.strip_prefix("data/"), offset) {
            storages.insert(key.to_string(), Member { offset, bytes });
        }
    }
    let pickle = pickle.ok_or_else(|| bad("it has no data.pkl".into()))?;
    let saved = state_dict(&pickle).map_err(|reason| bad(format!("data.pkl: {reason}")))?;
    let entry = |(name, saved): (String, Saved)| {
        let entry = place(file, &name, &saved, &storages);
        entry.map_err(|reason| bad(format!("tensor {name}: {reason}")))
    };
    saved.into_iter().map(entry).collect()
}

/// The place of the tensor `name` in the file.
fn place(
    file: &str,
    name: &str,
    saved: &Saved,
    storages: &HashMap<String, Member>,
) -> std::result::Result<Entry, String> {
    let dtype = match saved.storage.as_str() {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        // Some checkpoints contain position ids and the like; the types are refused only when such
        // a tensor is read as a weight.
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "BoolStorage" => Dtype::BOOL,
        "ByteStorage" => Dtype::U8,
        "DoubleStorage" => Dtype::F64,
        other => return Err(format!("numbers of {other} are not read")),
    };
    if !saved.is_contiguous() {
        return Err(format!(
            "its strides are {:?} for shape {:?}; save it again as .contiguous()",
            saved.stride, saved.shape
        ));
    }
    let storage = storages.get(&saved.key);
    let storage = storage.ok_or_else(|| format!("its storage {:?} is missing", saved.key))?;
    let number = dtype.bitsize() as u64 / 8;
    let start = saved.offset.checked_mul(number);
    let bytes = bytes_of(dtype, &saved.shape);
    let end = start
        .zip(bytes)
        .and_then(|(start, bytes)| start.checked_add(bytes));
    match (start, end) {
        (Some(start), Some(end)) if end <= storage.bytes => Ok(Entry {
            name: name.to_string(),
            file: file.to_string(),
            dtype,
            shape: saved.shape.clone(),
            offset: storage.offset.saturating_add(start),
        }),
        _ => Err(format!(
            "shape {:?} from number {} on does not fit its storage of {} bytes",
            saved.shape, saved.offset, storage.bytes
        )),
    }
}
