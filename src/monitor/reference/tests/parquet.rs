//! Parquet: every type that stands for a number or a text, nulls, several row groups, damage.

use super::{built, built_by, categorical, numeric, refused, sample};
use crate::monitor::reference::{Choice, input_names};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const SCHEMA: &str = "message table {
    required int32 count;
    optional double ratio;
    optional binary plan (STRING);
    required boolean active;
    required int64 price (DECIMAL(10, 2));
    required int32 wide (INTEGER(32, false));
    required fixed_len_byte_array(2) half (FLOAT16);
    required float score;
    optional group tags (LIST) { repeated group list { optional int32 element; } }
}";

/// Two row groups of two rows.
fn table() -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).expect("a schema"));
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).expect("made");
    for plan in ["basic", "plus"] {
        let mut group = writer.next_row_group().expect("a group");
        column::<Int32Type>(&mut group, &[1, 2], None, None);
        column::<DoubleType>(&mut group, &[0.5], Some(&[1, 0]), None);
        column::<ByteArrayType>(&mut group, &[ByteArray::from(plan)], Some(&[0, 1]), None);
        column::<BoolType>(&mut group, &[true, false], None, None);
        column::<Int64Type>(&mut group, &[1999, -50], None, None);
        column::<Int32Type>(&mut group, &[-1, 7], None, None);
        let half = |value: f32| FixedLenByteArray::from(half::f16::from_f32(value).to_le_bytes().to_vec());
        column::<FixedLenByteArrayType>(&mut group, &[half(0.25), half(f32::NAN)], None, None);
        column::<FloatType>(&mut group, &[0.1, f32::INFINITY], None, None);
        column::<Int32Type>(&mut group, &[1, 2, 3], Some(&[3, 3, 3]), Some(&[0, 1, 0]));
        group.close().expect("closed");
    }
    writer.close().expect("closed");
    bytes
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) {
    let mut column = group.next_column().expect("readable").expect("a column");
    column.typed::<T>().write_batch(values, levels, repetitions).expect("written");
    column.close().expect("closed");
}

#[test]
fn every_type_is_read_as_what_it_stands_for() {
    let file = sample("x.parquet", table());
    let built = built_by(&file, &Choice::default()).expect("a good file");
    assert_eq!(built.notes, ["columns of lists or objects are left out: tags"]);
    let columns = built.profile.columns.iter().map(|column| column.name.as_str());
    assert_eq!(input_names(&file.path), columns.chain(["tags"]).collect::<Vec<_>>());
    let profile = &built.profile;
    assert_eq!(profile.rows, 4);
    let range = |name: &str| {
        let numeric = numeric(profile, name);
        (numeric.min, numeric.max, numeric.finite, numeric.null)
    };
    assert_eq!(range("count"), (Some(1.0), Some(2.0), 4, 0));
    assert_eq!(range("ratio"), (Some(0.5), Some(0.5), 2, 2));
    assert_eq!(range("price"), (Some(-0.5), Some(19.99), 4, 0));
    assert_eq!(range("wide"), (Some(7.0), Some(f64::from(u32::MAX)), 4, 0));
    assert_eq!(range("half"), (Some(0.25), Some(0.25), 2, 0));
    assert_eq!(numeric(profile, "half").nan, 2);
    assert_eq!(range("score"), (Some(f64::from(0.1f32)), Some(f64::from(0.1f32)), 2, 0));
    assert_eq!(numeric(profile, "score").pos_inf, 2);
    assert_eq!(categorical(profile, "plan").values, ["basic", "plus"]);
    assert_eq!(categorical(profile, "plan").null, 2);
    assert_eq!(categorical(profile, "active").values, ["false", "true"]);
}

#[test]
fn texts_that_are_none_are_refused_with_their_column() {
    let schema = Arc::new(parse_message_type("message table { required binary blob; }").expect("a schema"));
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).expect("made");
    let mut group = writer.next_row_group().expect("a group");
    column::<ByteArrayType>(&mut group, &[ByteArray::from(vec![0xff, 0xfe])], None, None);
    group.close().expect("closed");
    writer.close().expect("closed");
    let words = refused("x.parquet", bytes);
    assert!(words.starts_with("row group 1, column 'blob': expected UTF-8 text, got "), "{words}");
}

#[test]
fn files_cut_short_and_files_of_another_kind_are_refused() {
    let bytes = table();
    for length in [0, 1, 4, 11, bytes.len() / 2, bytes.len() - 5, bytes.len() - 1] {
        let words = refused("x.parquet", &bytes[..length]);
        assert!(words.starts_with("the file's footer: expected Parquet, got "), "{length}: {words}");
    }
    assert!(refused("x.parquet", "a,b\n1,2\n".repeat(100)).starts_with("the file's footer: expected Parquet"));
}

#[test]
fn no_damaged_byte_panics() {
    let bytes = table();
    let mut refusals = 0;
    // Every seventh byte meets all parts of the file.
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        refusals += usize::from(built_by(&sample("x.parquet", damaged), &Choice::default()).is_err());
    }
    assert!(refusals > bytes.len() / 70, "{refusals} of {} were noticed", bytes.len() / 7);
    assert_eq!(built("x.parquet", bytes).rows, 4);
}
