//! The decoder's embeddings: a table on the device, or rows read from the model's files on demand.

use std::collections::BTreeSet;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::weights::source::AnySource;
use crate::weights::stored_rows::StoredRows;

/// `[vocabulary, hidden]`.
#[derive(Module, Debug)]
pub enum Embedding {
    /// On the device.
    Table(Param<Tensor<2>>),
    /// In the model's files: a large vocabulary's table would take a gigabyte of device memory.
    Stored(StoredEmbedding),
}

/// Not trainable: optimizers do not see it.
#[derive(Module, Debug)]
pub struct StoredEmbedding {
    #[module(skip)]
    rows: StoredRows,
}

impl Embedding {
    /// A table on a device.
    pub fn table(table: Tensor<2>) -> Self {
        Embedding::Table(Param::from_tensor(table))
    }

    /// Rows that are read on demand.
    pub fn stored(rows: StoredRows) -> Self {
        Embedding::Stored(StoredEmbedding { rows })
    }

    /// The table, for training.
    ///
    /// # Errors
    /// [`Error::Option`] if there is none, because the model is converted.
    pub fn trainable(&self) -> Result<Tensor<2>> {
        match self {
            Embedding::Table(table) => Ok(table.val()),
            Embedding::Stored(_) => Err(Error::Option {
                option: "model".into(),
                reason: "a converted model cannot be trained; take the checkpoint it was made from"
                    .into(),
            }),
        }
    }

    /// A table with a row for every id in `ids`, and the mapping from ids to rows.
    ///
    /// # Errors
    /// Read errors of `source`.
    pub async fn rows_for(
        &self,
        ids: impl Iterator<Item = u32>,
        source: &dyn AnySource,
        device: &Device,
    ) -> Result<(Tensor<2>, Rows)> {
        let rows = match self {
            Embedding::Table(table) => return Ok((table.val(), Rows::OfIds)),
            Embedding::Stored(stored) => &stored.rows,
        };
        let mut distinct: BTreeSet<u32> = ids.collect();
        if distinct.is_empty() {
            // A sequence without text; a device may refuse an empty table.
            distinct.insert(0);
        }
        let distinct: Vec<u32> = distinct.into_iter().collect();
        let mut values = Vec::with_capacity(distinct.len() * rows.columns());
        for &id in &distinct {
            values.extend(rows.read(source, id as usize).await?);
        }
        let dims = [distinct.len(), rows.columns()];
        let table = Tensor::from_data(TensorData::new(values, dims), device);
        Ok((table, Rows::Distinct(distinct)))
    }
}

/// The mapping from ids to rows of a table.
pub enum Rows {
    /// Row number = id.
    OfIds,
    /// Row number = index of the id in this ascending list.
    Distinct(Vec<u32>),
}

impl Rows {
    /// The rows of `ids`, which must be among those that the table was made for.
    pub fn of(&self, ids: &[u32]) -> Vec<u32> {
        match self {
            Rows::OfIds => ids.to_vec(),
            Rows::Distinct(distinct) => {
                let place = |id: &u32| distinct.partition_point(|other| other < id) as u32;
                ids.iter().map(place).collect()
            }
        }
    }
}
