//! The decoder's embeddings: a table on the device, or rows that are read where they lie.

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
    /// In the model's files: a large vocabulary's table would take a gigabyte of the device.
    Stored(StoredEmbedding),
}

/// Not trained: optimizers do not see it.
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

    /// Rows that are read when they are needed.
    pub fn stored(rows: StoredRows) -> Self {
        Embedding::Stored(StoredEmbedding { rows })
    }

    /// The table, to train it.
    ///
    /// # Errors
    /// [`Error::Option`] if there is none: the model is converted.
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

    /// A table in which every id of `ids` has a row, and what tells the row of each of them.
    ///
    /// # Errors
    /// What `source` fails with.
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
            // Nothing but a picture; a device may refuse a table without rows.
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

/// Which row of a table is an id's.
pub enum Rows {
    /// The one with its number.
    OfIds,
    /// Its place among these, which ascend.
    Distinct(Vec<u32>),
}

impl Rows {
    /// The rows of `ids`, which are those that the table was made for.
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
