//! Shards made one after another from a server, as the page makes them: the bytes are those of `inf-llava convert`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use inf_llava_core::error::{Error, Result};
use inf_llava_core::progress::{Event, Phase, StopFlag, Watch};
use inf_llava_core::spec::{Kind, Weight};
use inf_llava_core::weights::about::About;
use inf_llava_core::weights::arrange::{Arrangement, Precision, arrange};
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::convert::Conversion;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::manifest::Manifest;
use inf_llava_core::weights::settings::read_checkpoint_config;
use inf_llava_core::weights::shards::{CONVERTER, Shards, shard_name};
use inf_llava_core::weights::source::{Memory, Source};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use sha2::{Digest, Sha256};

use crate::weights::family;
use crate::{block_on, fixture};

const SHARD_BYTES: u64 = 256 << 10;
/// Bytes of a gap in a file that may be read too.
const GAP: u64 = 256 << 10;

/// A server, and what it was asked.
pub struct Server {
    pub files: Memory,
    expected: RefCell<Vec<(String, Range<u64>)>>,
    /// The bytes of weights that were read since they were last looked at.
    read: RefCell<Vec<(String, Range<u64>)>>,
}

impl Server {
    pub fn of(folder: &Path) -> Rc<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap();
                files.insert(name.to_string(), fs::read(&path).unwrap());
            }
        }
        Self::with(files)
    }

    pub fn with(files: BTreeMap<String, Vec<u8>>) -> Rc<Self> {
        Rc::new(Server {
            files: Memory(files),
            expected: RefCell::default(),
            read: RefCell::default(),
        })
    }
}

impl Source for Server {
    fn describe(&self, file: &str) -> String {
        self.files.describe(file)
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        self.files.size(file).await
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let entry = (file.to_string(), range.clone());
        self.read.borrow_mut().push(entry);
        self.files.read(file, range).await
    }

    fn expect(&self, file: &str, range: Range<u64>) {
        self.expected.borrow_mut().push((file.to_string(), range));
    }
}

fn arranged<S: Source>(
    checkpoint: &Checkpoint<S>,
    weights: &[Weight],
    precision: &str,
    shard_bytes: u64,
) -> Arrangement {
    use inf_llava_core::weights::tensors::Tensors as _;
    checkpoint.check_all(weights).unwrap();
    let precision = Precision::from_name(precision).unwrap();
    arrange(weights, precision, shard_bytes).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that what was read lies in what was expected, in its order, and that nothing else was read of the weights.
fn assert_in_order(server: &Server) {
    let expected = server.expected.take();
    let mut left = server.read.take().into_iter().peekable();
    for (file, run) in &expected {
        let mut at = run.start;
        while let Some((_, part)) =
            left.next_if(|(of, part)| of == file && part.start >= at && part.end <= run.end)
        {
            assert!(part.start - at <= GAP, "{file}: {part:?} after {at}");
            at = part.end;
        }
        assert_eq!(at, run.end, "{file}: all of {run:?} is read");
    }
    assert_eq!(left.next(), None);
}

#[test]
fn a_server_gives_the_shards_that_the_program_writes() {
    for (name, precision) in [
        ("smolvlm-tiny", "q4"),
        ("llava-next-clip-mistral", "q4"),
        ("llava-original", "q8"),
        ("llava-siglip-qwen2", "f16"),
        ("vlsa", "f32"),
    ] {
        let folder = family::folder(name);
        let native = Folder::new(&folder);
        let config = block_on(read_checkpoint_config(&native, None)).unwrap();
        let (mut about, unread) =
            block_on(About::read(&native, "A model".into(), "c0ffee".into())).unwrap();
        assert_eq!(unread, None, "{name}");
        block_on(about.add_processors(&native, &config)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        let weights = config.weights();
        let of_folder = block_on(Checkpoint::open(native)).unwrap();
        let chosen = Precision::from_name(precision).unwrap();
        let conversion = Conversion::new(
            &of_folder,
            &weights,
            chosen,
            SHARD_BYTES,
            about.clone(),
            &to,
        );
        let written = conversion.unwrap().run(&mut Watch::nobody()).unwrap();

        let server = Server::of(&folder);
        let checkpoint = block_on(Checkpoint::open(server.clone())).unwrap();
        server.read.take();
        let arrangement = arranged(&checkpoint, &weights, precision, SHARD_BYTES);
        let shards = Shards::new(&checkpoint, &arrangement);
        assert!(arrangement.shards.len() > 1, "{name}");
        for (index, shard) in written.shards.iter().enumerate() {
            let made = block_on(shards.make(index, &mut Watch::nobody())).unwrap();
            assert_eq!(shard.file, shard_name(index));
            let found = (made.len() as u64, sha256(&made));
            assert_eq!(found, (shard.bytes, shard.sha256.clone()), "{name} {index}");
            assert_in_order(&server);
        }
        // Files and all: what the page's manifest says is what the program's says.
        let manifest = about.manifest(written.files.clone(), written.shards.clone(), &arrangement);
        assert_eq!(manifest, written, "{name}");
        let json = manifest.to_json();
        assert_eq!(Manifest::from_json("m", &json), Ok(written), "{name}");
    }
}

/// So that a page does not go on with shards of another version.
#[test]
fn other_bytes_are_another_version_of_the_converter() {
    let known = [
        "3f7b457be390322d",
        "1107a1df87c751e4",
        "73d07f37acb45473",
        "54c96bec462fcc7e",
    ];
    let mut found = Vec::new();
    for name in ["smolvlm-tiny", "llava-original"] {
        let server = Server::of(&family::folder(name));
        let config = block_on(read_checkpoint_config(&server, None)).unwrap();
        let checkpoint = block_on(Checkpoint::open(server)).unwrap();
        for precision in ["q4", "q8"] {
            let arrangement = arranged(&checkpoint, &config.weights(), precision, 64 << 20);
            let shards = Shards::new(&checkpoint, &arrangement);
            let made = block_on(shards.make(0, &mut Watch::nobody())).unwrap();
            let places = serde_json::to_vec(&arrangement.tensors).unwrap();
            found.push(sha256(&[places, made].concat())[..16].to_string());
        }
    }
    assert_eq!(
        (CONVERTER, found),
        (1, known.map(String::from).to_vec()),
        "raise CONVERTER where these differ, and note the new ones here"
    );
}

/// A tensor in f16 of `rows` x `columns` numbers, which are the same in every tenth place.
fn large(names: &[&str], rows: usize, columns: usize) -> BTreeMap<String, Vec<u8>> {
    let numbers = (0..rows * columns).map(|at| half::f16::from_f32(at as f32 % 10.0 - 4.5));
    let bytes: Vec<u8> = numbers.flat_map(half::f16::to_le_bytes).collect();
    let views = names.iter().map(|name| {
        let view = TensorView::new(Dtype::F16, vec![rows, columns], &bytes).unwrap();
        (*name, view)
    });
    BTreeMap::from([("model.safetensors".into(), serialize(views, None).unwrap())])
}

fn matrix(name: &str, rows: usize, columns: usize) -> Weight {
    Weight {
        name: name.into(),
        shape: vec![rows, columns],
        kind: Kind::Matrix,
    }
}

#[test]
fn a_matrix_is_read_in_parts_and_told_of_as_it_comes() {
    // In q8 two shards of two parts each, in f16 three of one part.
    let (rows, columns) = (3000, 1024);
    let server = Server::with(large(&["a.weight"], rows, columns));
    let checkpoint = block_on(Checkpoint::open(server.clone())).unwrap();
    let weights = [matrix("a.weight", rows, columns)];
    for precision in ["q8", "f16"] {
        let arrangement = arranged(&checkpoint, &weights, precision, 2 << 20);
        let shards = Shards::new(&checkpoint, &arrangement);
        let count = arrangement.shards.len();
        assert!(count > 1);
        let to_read = shards.source_bytes().iter().sum::<u64>();
        assert_eq!(to_read, (2 * rows * columns) as u64);
        let to_make = arrangement.shards.iter().sum::<u64>();
        server.read.take();
        let (mut told, mut values) = (Vec::new(), Vec::new());
        for index in 0..count {
            let mut watch = Watch::new(StopFlag::default(), |event| told.push(event));
            let made = block_on(shards.make(index, &mut watch)).unwrap();
            drop(watch);
            let stored = &arrangement.tensors["a.weight"];
            let rows = stored.pieces[index].rows;
            values.extend(match stored.dtype.quant() {
                Some(quant) => quant.dequantize(&made, rows, columns).unwrap(),
                None => stored.dtype.floats(&made),
            });
        }
        assert!(values.iter().enumerate().all(|(at, value)| {
            let wanted = at as f32 % 10.0 - 4.5;
            (value - wanted).abs() < 0.03
        }));
        let largest = server
            .read
            .borrow()
            .iter()
            .map(|(_, part)| part.end - part.start)
            .max();
        assert!(
            largest.unwrap() <= 2 << 20,
            "at most a million numbers of 2 bytes"
        );
        assert_in_order(&server);
        for (phase, total) in [(Phase::Download, to_read), (Phase::Conversion, to_make)] {
            let done: Vec<u64> = told
                .iter()
                .filter_map(|event| match event {
                    Event::Progress {
                        phase: of,
                        done,
                        total: all,
                    } if *of == phase => {
                        assert_eq!(*all, total);
                        Some(*done)
                    }
                    _ => None,
                })
                .collect();
            assert!(done.is_sorted() && done.len() >= 2 * count, "{done:?}");
            assert_eq!((done[0], done.last()), (0, Some(&total)), "{phase:?}");
        }
    }
}

#[test]
fn tensors_apart_are_asked_for_apart_and_small_gaps_are_read() {
    // Of five tensors of 100 kB and 400 kB the model reads three.
    for (rows, runs) in [(50, 1), (200, 2)] {
        let files = large(
            &["a.weight", "b.weight", "c.weight", "d.weight"],
            rows,
            1024,
        );
        let server = Server::with(files);
        let checkpoint = block_on(Checkpoint::open(server.clone())).unwrap();
        let weights = ["d.weight", "a.weight", "b.weight"].map(|name| matrix(name, rows, 1024));
        let arrangement = arrange(&weights, Precision::F16, 64 << 20).unwrap();
        server.read.take();
        let shards = Shards::new(&checkpoint, &arrangement);
        block_on(shards.make(0, &mut Watch::nobody())).unwrap();
        assert_eq!(server.expected.borrow().len(), runs);
        assert_in_order(&server);
    }
}

#[test]
fn a_stop_is_heard_between_two_parts() {
    let server = Server::with(large(&["a.weight"], 3000, 1024));
    let checkpoint = block_on(Checkpoint::open(server.clone())).unwrap();
    let weights = [matrix("a.weight", 3000, 1024)];
    let arrangement = arrange(&weights, Precision::F16, 64 << 20).unwrap();
    let stop = StopFlag::default();
    let flag = stop.clone();
    let mut watch = Watch::new(stop, |event| {
        if matches!(
            event,
            Event::Progress {
                phase: Phase::Download,
                done: 1..,
                ..
            }
        ) {
            flag.stop();
        }
    });
    server.read.take();
    let made = block_on(Shards::new(&checkpoint, &arrangement).make(0, &mut watch));
    assert_eq!(made.err(), Some(Error::Stopped));
    assert_eq!(server.read.borrow().len(), 1, "no second part was read");
}

#[test]
fn a_number_that_f16_lacks_is_named() {
    let bytes: Vec<u8> = [1.0f32, 70_000.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, vec![1, 2], &bytes).unwrap();
    let file = serialize([("a.weight", view)], None).unwrap();
    let server = Server::with(BTreeMap::from([("model.safetensors".into(), file)]));
    let checkpoint = block_on(Checkpoint::open(server)).unwrap();
    let arrangement = arrange(&[matrix("a.weight", 1, 2)], Precision::F16, 1 << 20).unwrap();
    let made = block_on(Shards::new(&checkpoint, &arrangement).make(0, &mut Watch::nobody()));
    let error = made.unwrap_err().to_string();
    assert!(
        error.contains("a.weight") && error.contains("70000"),
        "{error}"
    );
}

#[test]
fn what_is_said_about_a_model_comes_from_its_files() {
    let mut files = Server::of(&family::folder("llava-clip-llama"))
        .files
        .0
        .clone();
    let card =
        "\u{feff}---\nlanguage: en\nlicense: \"llama3\"\ntags: [x]\n---\n# A model\nlicense: mit\n";
    files.insert("README.md".into(), card.into());
    files.insert("USE_POLICY.md".into(), b"Be kind.".to_vec());
    files.insert("notes.txt".into(), b"not taken over".to_vec());
    let read = |files: &BTreeMap<String, Vec<u8>>| {
        let server = Server::with(files.clone());
        let config = block_on(read_checkpoint_config(&server, None)).unwrap();
        let about = block_on(About::read(&server, "name".into(), "commit".into()));
        let (mut about, unread) = about.unwrap();
        block_on(about.add_processors(&server, &config)).unwrap();
        (about, unread)
    };
    let (about, unread) = read(&files);
    assert_eq!((about.license.as_str(), unread), ("llama3", None));
    assert!(about.chat_template.is_some());
    let expected = [
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "USE_POLICY.md",
        "README.md",
        "processor_config.json",
    ];
    assert_eq!(about.files, expected, "each once");

    // A template that cannot be read is left out, and told.
    files.insert("chat_template.jinja".into(), vec![0xff, 0xfe, 0]);
    files.remove("README.md");
    let (about, unread) = read(&files);
    assert_eq!(
        (about.license.as_str(), about.chat_template),
        ("unknown", None)
    );
    assert!(unread.unwrap().to_string().contains("chat_template.jinja"));

    // INF-LLaVA's pictures are prepared as its code does, whatever the processor's file says.
    let server = Server::of(&fixture("tiny"));
    let config = block_on(read_checkpoint_config(&server, None)).unwrap();
    let (mut about, _) = block_on(About::read(&server, "tiny".into(), "main".into())).unwrap();
    let before = about.files.clone();
    block_on(about.add_processors(&server, &config)).unwrap();
    assert_eq!(about.files, before);
}
