//! Reads the part of Python's pickle format that `torch.save` uses for a state dict: the place of
//! each tensor. Nothing is ever called or imported; whatever a state dict does not need is refused
//! by name.
//!
//! In: the untrusted bytes of `data.pkl`. Out: [`Saved`] by name.

use std::collections::{BTreeMap, HashMap};

use crate::printable::quoted;

/// Most values: a state dict has a few dozen for each tensor.
const VALUES_CAP: usize = 4 << 20;

/// Most dimensions of a tensor.
const DIMENSIONS_CAP: usize = 8;

/// A tensor of a state dict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The class of the storage: `BFloat16Storage`.
    pub storage: String,
    /// Its file in the archive's folder `data`.
    pub key: String,
    /// Offset of the first number in the storage, in numbers.
    pub offset: u64,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Distance between consecutive indices in numbers, for each dimension.
    pub stride: Vec<usize>,
}

impl Saved {
    /// Whether the numbers are stored row by row, without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape.len() == self.stride.len()
            && self
                .shape
                .iter()
                .zip(&self.stride)
                .rev()
                .all(|(&size, &stride)| {
                    let fits = size <= 1 || stride == expected;
                    expected = expected.saturating_mul(size);
                    fits
                })
    }
}

/// Index of a value.
type Id = usize;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// `module name`.
    Global(String),
    Storage {
        class: String,
        key: String,
    },
    Tensor(Saved),
    /// None, a boolean, or another value that a state dict may contain and that is ignored.
    Other,
}

/// The tensors of the state dict that `pickle` holds, by name.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn state_dict(pickle: &[u8]) -> Result<BTreeMap<String, Saved>, String> {
    let mut machine = Machine {
        bytes: pickle,
        at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let top = machine.run()?;
    let Value::Dict(entries) = &machine.values[top] else {
        return Err("it holds no state dict; save model.state_dict() with torch.save".into());
    };
    let tensors = machine.tensors(entries);
    if !tensors.is_empty() {
        return Ok(tensors);
    }
    // Some training programs nest the state dict in another dict, beside the optimizer's state,
    // whose values are not tensors themselves.
    let named = |&(key, value): &(Id, Id)| match (&machine.values[key], &machine.values[value]) {
        (Value::Text(name), Value::Dict(entries)) => Some((name, machine.tensors(entries))),
        _ => None,
    };
    let mut nested: Vec<(&String, BTreeMap<String, Saved>)> = entries
        .iter()
        .filter_map(named)
        .filter(|(_, tensors)| !tensors.is_empty())
        .collect();
    match nested.len() {
        0 => Err("its dict holds no tensor; save model.state_dict() with torch.save".into()),
        1 => Ok(nested.remove(0).1),
        _ => {
            let names = nested.iter().take(4).map(|(name, _)| quoted(name));
            let names: Vec<String> = names.collect();
            Err(format!(
                "it holds several state dicts ({}); save the one that is wanted alone",
                names.join(", ")
            ))
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// Runs up to STOP; returns the top of the stack.
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let at = self.at;
            let [code] = self.array()?;
            match code {
                b'.' => return self.pop(),
                0x80 => self.skip(1)?,
                0x95 => self.skip(8)?,
                b'(' => self.marks.push(self.stack.len()),
                b'N' | 0x88 | 0x89 => self.push(Value::Other)?,
                b'K' => self.unsigned::<1>()?,
                b'M' => self.unsigned::<2>()?,
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()))?;
                }
                0x8a => self.long()?,
                b'G' => {
                    self.skip(8)?;
                    self.push(Value::Other)?;
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                b'c' => {
                    let name = format!("{} {}", self.line()?, self.line()?);
                    self.push(Value::Global(name))?;
                }
                0x93 => self.stack_global()?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                b']' => self.push(Value::List(Vec::new()))?,
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                0x85..=0x87 => {
                    let first = self.stack.len().checked_sub(usize::from(code - 0x84));
                    let items = self.stack.split_off(first.ok_or("its stack is empty")?);
                    self.push(Value::Tuple(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set(items)?;
                }
                b'q' => {
                    let [index] = self.array()?;
                    self.memorise(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.memorise(index)?;
                }
                0x94 => self.memorise(self.memo.len() as u32)?,
                b'h' => {
                    let [index] = self.array()?;
                    self.recall(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index)?;
                }
                b'Q' => self.storage()?,
                b'R' | 0x81 => self.call()?,
                // BUILD sets an object's state: here only attributes of a dict, which are ignored.
                b'b' => drop(self.pop()?),
                _ => {
                    return Err(format!(
                        "byte {at} is the operation {code:#04x}, which no state dict needs"
                    ));
                }
            }
        }
    }

    /// The entries of a dict whose values are tensors.
    fn tensors(&self, entries: &[(Id, Id)]) -> BTreeMap<String, Saved> {
        let named = |&(key, value): &(Id, Id)| match (&self.values[key], &self.values[value]) {
            (Value::Text(name), Value::Tensor(saved)) => Some((name.clone(), saved.clone())),
            _ => None,
        };
        entries.iter().filter_map(named).collect()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or("it ends in the middle of an operation")?;
        self.at += count;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), String> {
        self.take(count).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| "it ends early".to_string())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("a name in it has no end")?)?;
        self.at += 1;
        as_text(line)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.check_room()?;
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
        Ok(())
    }

    fn check_room(&self) -> Result<(), String> {
        match self.values.len().max(self.stack.len()) < VALUES_CAP {
            true => Ok(()),
            false => Err(format!("it holds more than {VALUES_CAP} values")),
        }
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(|| "its stack is empty".into())
    }

    fn top(&mut self) -> Result<&mut Value, String> {
        let &id = self.stack.last().ok_or("its stack is empty")?;
        Ok(&mut self.values[id])
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing in it")?;
        match mark <= self.stack.len() {
            true => Ok(self.stack.split_off(mark)),
            false => Err("a mark in it lies above its stack".into()),
        }
    }

    fn unsigned<const N: usize>(&mut self) -> Result<(), String> {
        let bytes: [u8; N] = self.array()?;
        let value = bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | i64::from(byte));
        self.push(Value::Int(value))
    }

    /// An integer of up to 8 bytes, two's complement.
    fn long(&mut self) -> Result<(), String> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return Err(format!("an integer in it has {length} bytes"));
        }
        let sign = match bytes.last() {
            Some(byte) if byte & 0x80 != 0 => 0xff,
            _ => 0,
        };
        let mut all = [sign; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(all)))
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = as_text(self.take(length)?)?.to_string();
        self.push(Value::Text(text))
    }

    fn stack_global(&mut self) -> Result<(), String> {
        let (name, module) = (self.pop()?, self.pop()?);
        match (&self.values[module], &self.values[name]) {
            (Value::Text(module), Value::Text(name)) => {
                let global = format!("{module} {name}");
                self.push(Value::Global(global))
            }
            _ => Err("a name in it is no text".into()),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            Value::Other => {}
            _ => return Err("it appends to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Value::Dict(dict) => dict.extend(items.as_chunks::<2>().0.iter().map(|&[k, v]| (k, v))),
            Value::Other => {}
            _ => return Err("it sets an entry of what is no dict".into()),
        }
        Ok(())
    }

    fn memorise(&mut self, index: u32) -> Result<(), String> {
        let &id = self.stack.last().ok_or("its stack is empty")?;
        self.memo.insert(index, id);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), String> {
        let id = self.memo.get(&index).copied();
        let id = id.ok_or("it recalls what it has not met")?;
        self.check_room()?;
        self.stack.push(id);
        Ok(())
    }

    /// `('storage', class, key, device, count)`.
    fn storage(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let Value::Tuple(items) = &self.values[id] else {
            return Err("a storage in it is no tuple".into());
        };
        let item = |index: usize| items.get(index).map(|&id| &self.values[id]);
        let storage = match (item(0), item(1), item(2)) {
            (Some(Value::Text(kind)), Some(Value::Global(class)), Some(Value::Text(key)))
                if kind == "storage" =>
            {
                let class = class.rsplit(' ').next().unwrap_or_default().to_string();
                let key = key.clone();
                Value::Storage { class, key }
            }
            _ => return Err("a storage in it is not as torch.save writes it".into()),
        };
        self.push(storage)
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Tuple(arguments), Value::Global(function)) =
            (&self.values[arguments], &self.values[function])
        else {
            return Err("it calls what is no function".into());
        };
        let value = match function.as_str() {
            "collections OrderedDict" => Value::Dict(Vec::new()),
            "torch._utils _rebuild_tensor_v2" => Value::Tensor(self.tensor(arguments)?),
            "torch._utils _rebuild_parameter" => {
                match arguments.first().map(|&id| &self.values[id]) {
                    Some(Value::Tensor(tensor)) => Value::Tensor(tensor.clone()),
                    _ => return Err("a parameter in it has no tensor".into()),
                }
            }
            other => {
                return Err(format!(
                    "it wants to call {other:?}, which is not done; save model.state_dict() alone"
                ));
            }
        };
        self.push(value)
    }

    /// `(storage, offset, shape, stride, ..)`.
    fn tensor(&self, arguments: &[Id]) -> Result<Saved, String> {
        let item = |index: usize| arguments.get(index).map(|&id| &self.values[id]);
        match (item(0), item(1), item(2), item(3)) {
            (
                Some(Value::Storage { class, key }),
                Some(&Value::Int(offset)),
                Some(Value::Tuple(shape)),
                Some(Value::Tuple(stride)),
            ) => Ok(Saved {
                storage: class.clone(),
                key: key.clone(),
                offset: u64::try_from(offset).map_err(|_| "an offset in it is negative")?,
                shape: self.sizes(shape)?,
                stride: self.sizes(stride)?,
            }),
            _ => Err("a tensor in it is not as torch.save writes it".into()),
        }
    }

    fn sizes(&self, items: &[Id]) -> Result<Vec<usize>, String> {
        if items.len() > DIMENSIONS_CAP {
            return Err(format!("a tensor in it has {} dimensions", items.len()));
        }
        let size = |&id: &Id| match self.values[id] {
            Value::Int(size) => usize::try_from(size).ok(),
            _ => None,
        };
        let sizes: Option<Vec<usize>> = items.iter().map(size).collect();
        sizes.ok_or_else(|| "a size in it is no number".into())
    }
}

fn as_text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a text in it is no UTF-8".into())
}
