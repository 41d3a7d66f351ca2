// The model that tells people from what is behind them, as its runtime wants it. Pure.
import { Builder, ByteBuffer, type Offset } from "flatbuffers";

/**
 * The model with what its runtime must be told: that it takes colours from 0 to 1. The package has the weights alone.
 *
 * FlatBuffers are written from their end to their beginning and point ahead only: the weights stay as they are, and a
 * new root before them takes over all that theirs has.
 */
export function withMetadata(model: Uint8Array): Uint8Array {
  const old = new ByteBuffer(model);
  const root = old.readInt32(0);
  const builder = new Builder(model.length + METADATA_BYTES_MAX);
  const end = appended(builder, model);
  const kept = (place: number) => end - place;
  const at = (field: number) => {
    const offset = old.__offset(root, slot(field));
    if (offset === 0) throw new Error(`the model has no field ${field}`);
    return root + offset;
  };
  const pointed = (field: number) => old.__indirect(at(field));

  const buffers = pointed(MODEL.buffers);
  const count = old.readInt32(buffers);
  const each = Array.from({ length: count }, (_, index) => kept(old.__indirect(buffers + 4 + 4 * index)));
  const metadata = builder.createByteVector(metadataBytes());
  const buffer = table(builder, 1, () => builder.addFieldOffset(0, metadata, 0));
  const newBuffers = vector(builder, [...each, buffer]);
  const name = builder.createString("TFLITE_METADATA");
  const entry = table(builder, 2, () => {
    builder.addFieldOffset(0, name, 0);
    builder.addFieldInt32(1, count, 0);
  });
  const entries = vector(builder, [entry]);
  const newRoot = table(builder, MODEL.fields, () => {
    builder.addFieldInt32(MODEL.version, old.readInt32(at(MODEL.version)), 0);
    builder.addFieldOffset(MODEL.operatorCodes, kept(pointed(MODEL.operatorCodes)), 0);
    builder.addFieldOffset(MODEL.subgraphs, kept(pointed(MODEL.subgraphs)), 0);
    builder.addFieldOffset(MODEL.buffers, newBuffers, 0);
    builder.addFieldOffset(MODEL.metadata, entries, 0);
  });
  builder.finish(newRoot, "TFL3");
  return builder.asUint8Array();
}

/** Where the fields of TensorFlow Lite's `Model` are. */
const MODEL = { version: 0, operatorCodes: 1, subgraphs: 2, buffers: 4, metadata: 6, fields: 8 };
const METADATA_BYTES_MAX = 4096;
/** Weights begin at multiples of this. */
const ALIGNMENT = 16;

/** `ModelMetadata` of one picture that goes in, its bytes divided by 255, and one mask that comes out. */
function metadataBytes(): Uint8Array {
  const builder = new Builder(512);
  const mean = floats(builder, 0);
  const deviation = floats(builder, 255);
  const normalization = table(builder, 2, () => {
    builder.addFieldOffset(0, mean, 0);
    builder.addFieldOffset(1, deviation, 0);
  });
  const unit = table(builder, 2, () => {
    builder.addFieldInt8(0, 1, 0); // NormalizationOptions
    builder.addFieldOffset(1, normalization, 0);
  });
  const rgb = table(builder, 2, () => builder.addFieldInt8(0, 1, 0));
  const content = table(builder, 3, () => {
    builder.addFieldInt8(0, 2, 0); // ImageProperties
    builder.addFieldOffset(1, rgb, 0);
  });
  const units = vector(builder, [unit]);
  const input = table(builder, 7, () => {
    builder.addFieldOffset(3, content, 0);
    builder.addFieldOffset(4, units, 0);
  });
  const output = table(builder, 7, () => undefined);
  const [inputs, outputs] = [vector(builder, [input]), vector(builder, [output])];
  const subgraph = table(builder, 9, () => {
    builder.addFieldOffset(2, inputs, 0);
    builder.addFieldOffset(3, outputs, 0);
  });
  const subgraphs = vector(builder, [subgraph]);
  builder.finish(
    table(builder, 8, () => builder.addFieldOffset(3, subgraphs, 0)),
    "M001",
  );
  return builder.asUint8Array();
}

/** Puts bytes at the end, and says where that is. */
function appended(builder: Builder, bytes: Uint8Array): Offset {
  builder.prep(ALIGNMENT, bytes.length);
  for (let place = bytes.length - 1; place >= 0; place -= 1) builder.writeInt8(bytes[place] ?? 0);
  return builder.offset();
}

function table(builder: Builder, fields: number, fill: () => void): Offset {
  builder.startObject(fields);
  fill();
  return builder.endObject();
}

function vector(builder: Builder, offsets: readonly Offset[]): Offset {
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets.toReversed()) builder.addOffset(offset);
  return builder.endVector();
}

function floats(builder: Builder, value: number): Offset {
  builder.startVector(4, 1, 4);
  builder.addFloat32(value);
  return builder.endVector();
}

function slot(field: number): number {
  return 4 + 2 * field;
}
