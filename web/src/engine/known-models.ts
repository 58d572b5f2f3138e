/**
 * The models that are known by name, smallest first. Written from crates/core/src/models.json: change that, then run
 *
 *     WRITE_TYPES=1 cargo test --package inf-llava-core --lib typescript
 */

import type { KnownModel } from './generated.js';

export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    "name": "Demo",
    "short": "demo",
    "id": null,
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "drawings of figures, signs and bar charts, and nothing else",
    "parameters": 2201360,
    "published_bytes": 4402720,
    "kept_bytes": 4402720,
    "memory_bytes": 29561920,
    "detail": {
      "low": 64,
      "auto": 64,
      "high": 64
    },
    "video": false,
    "most_pictures": 1
  },
  {
    "name": "SmolVLM 256M",
    "short": "smolvlm-256m",
    "id": "HuggingFaceTB/SmolVLM-256M-Instruct",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs, on almost any device",
    "parameters": 256484928,
    "published_bytes": 512969856,
    "kept_bytes": 213808640,
    "memory_bytes": 569297664,
    "detail": {
      "low": 64,
      "auto": 832,
      "high": 832
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "SmolVLM2 256M",
    "short": "smolvlm2-256m",
    "id": "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs and short videos, on almost any device",
    "parameters": 256484928,
    "published_bytes": 1025939712,
    "kept_bytes": 213808640,
    "memory_bytes": 569297664,
    "detail": {
      "low": 64,
      "auto": 832,
      "high": 832
    },
    "video": true,
    "most_pictures": null
  },
  {
    "name": "SmolVLM 500M",
    "short": "smolvlm-500m",
    "id": "HuggingFaceTB/SmolVLM-500M-Instruct",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs and short texts in them",
    "parameters": 507482304,
    "published_bytes": 1014964608,
    "kept_bytes": 369013760,
    "memory_bytes": 851788544,
    "detail": {
      "low": 64,
      "auto": 832,
      "high": 832
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "SmolVLM2 500M",
    "short": "smolvlm2-500m",
    "id": "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs, short texts in them, short videos",
    "parameters": 507482304,
    "published_bytes": 2029929216,
    "kept_bytes": 369013760,
    "memory_bytes": 851788544,
    "detail": {
      "low": 64,
      "auto": 832,
      "high": 832
    },
    "video": true,
    "most_pictures": null
  },
  {
    "name": "LLaVA-NeXT-Interleave 0.5B",
    "short": "interleave-0.5b",
    "id": "llava-hf/llava-interleave-qwen-0.5b-hf",
    "revision": "main",
    "license": "Tongyi Qianwen Research",
    "good_for": "comparing pictures; for research only",
    "parameters": 864031264,
    "published_bytes": 1728062528,
    "kept_bytes": 866518264,
    "memory_bytes": 1976702952,
    "detail": {
      "low": 729,
      "auto": 729,
      "high": 729
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "LLaVA-OneVision 0.5B",
    "short": "onevision-0.5b",
    "id": "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs, documents, charts, videos",
    "parameters": 893675552,
    "published_bytes": 1787351104,
    "kept_bytes": 872346096,
    "memory_bytes": 1594593768,
    "detail": {
      "low": 730,
      "auto": 7309,
      "high": 7309
    },
    "video": true,
    "most_pictures": null
  },
  {
    "name": "LLaVA-1.5 7B",
    "short": "llava-1.5-7b",
    "id": "llava-hf/llava-1.5-7b-hf",
    "revision": "main",
    "license": "Llama 2 Community",
    "good_for": "photographs, told in whole paragraphs",
    "parameters": 7063427072,
    "published_bytes": 14126854144,
    "kept_bytes": 4042059568,
    "memory_bytes": 8382099236,
    "detail": {
      "low": 576,
      "auto": 576,
      "high": 576
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "LLaVA-1.6 7B (Vicuna)",
    "short": "llava-1.6-vicuna-7b",
    "id": "llava-hf/llava-v1.6-vicuna-7b-hf",
    "revision": "main",
    "license": "Llama 2 Community",
    "good_for": "photographs and documents in detail",
    "parameters": 7063431168,
    "published_bytes": 14126862336,
    "kept_bytes": 4042075952,
    "memory_bytes": 8382115620,
    "detail": {
      "low": 1368,
      "auto": 2340,
      "high": 2340
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "LLaVA-1.6 7B (Mistral)",
    "short": "llava-1.6-mistral-7b",
    "id": "llava-hf/llava-v1.6-mistral-7b-hf",
    "revision": "main",
    "license": "Apache-2.0",
    "good_for": "photographs and documents in detail",
    "parameters": 7566747648,
    "published_bytes": 15133495296,
    "kept_bytes": 4309528368,
    "memory_bytes": 5441974052,
    "detail": {
      "low": 1368,
      "auto": 2340,
      "high": 2340
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "LLaVA-1.6 8B (LLaMA 3)",
    "short": "llava-1.6-llama3-8b",
    "id": "llava-hf/llama3-llava-next-8b-hf",
    "revision": "main",
    "license": "Llama 3 Community",
    "good_for": "photographs and documents in detail",
    "parameters": 8355276800,
    "published_bytes": 16710553600,
    "kept_bytes": 5123469104,
    "memory_bytes": 5849329444,
    "detail": {
      "low": 1368,
      "auto": 2340,
      "high": 2340
    },
    "video": false,
    "most_pictures": null
  },
  {
    "name": "INF-LLaVA 8B",
    "short": "inf-llava-8b",
    "id": "WeihuangLin/INF-LLaVA-sft",
    "revision": "main",
    "license": "Llama 3 Community",
    "good_for": "pictures of high resolution: photographs, documents, charts",
    "parameters": 8359156864,
    "published_bytes": 16718313728,
    "kept_bytes": 5127506500,
    "memory_bytes": 5915428264,
    "detail": {
      "low": 576,
      "auto": 576,
      "high": 576
    },
    "video": false,
    "most_pictures": 1
  }
];
