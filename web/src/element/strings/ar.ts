import { en } from './en.js';
import { formatFor, LEAST_RATED_TOKENS } from './format.js';
import type { Strings } from './strings.js';

const { bytes, compact, count, duration, plural, rate, share } = formatFor('ar');
const TOKEN = { zero: 'رمز', one: 'رمز', two: 'رمزان', few: 'رموز', many: 'رمزًا', other: 'رمز' };
const passes = (n: number) => plural(n, { zero: 'تمريرة', one: 'تمريرة', two: 'تمريرتان', few: 'تمريرات', many: 'تمريرة', other: 'تمريرة' });
const tokens = (n: number) => plural(n, TOKEN);
/** The form after a preposition. */
const ofTokens = (n: number) => plural(n, { ...TOKEN, two: 'رمزين' });
const minutes = (n: number) => plural(n, { zero: 'دقيقة', one: 'دقيقة', two: 'دقيقتان', few: 'دقائق', many: 'دقيقة', other: 'دقيقة' });
const timeLeft = (s: number) => `المتبقي: ${s < 90 ? `${Math.ceil(s)} ث` : minutes(Math.round(s / 60))}`;
const ofTotal = (done: number, total: number) => (total ? `${bytes(done)} من ${bytes(total)}` : bytes(done));
/** Isolates the direction of `text` from its surroundings. */
const isolated = (text: string) => `\u2068${text}\u2069`;
/** Keeps width before height: digits alone would take the direction around them. */
const size = (width: number, height: number) => `\u2066${width} × ${height}\u2069`;
/** What a known model is good for, by its short name. */
const uses: Record<string, string> = {
  'smolvlm-256m': 'صور فوتوغرافية، على أي جهاز تقريبًا',
  'smolvlm2-256m': 'صور فوتوغرافية ومقاطع فيديو قصيرة، على أي جهاز تقريبًا',
  'smolvlm-500m': 'صور فوتوغرافية وما فيها من نصوص قصيرة',
  'smolvlm2-500m': 'صور فوتوغرافية وما فيها من نصوص قصيرة، ومقاطع فيديو قصيرة',
  'interleave-0.5b': 'مقارنة الصور؛ للبحث العلمي فقط',
  'onevision-0.5b': 'صور فوتوغرافية ومستندات ورسوم بيانية ومقاطع فيديو',
  'llava-1.5-7b': 'صور فوتوغرافية، بإجابات من فقرات كاملة',
  'llava-1.6-vicuna-7b': 'صور فوتوغرافية ومستندات بالتفصيل',
  'llava-1.6-mistral-7b': 'صور فوتوغرافية ومستندات بالتفصيل',
  'llava-1.6-llama3-8b': 'صور فوتوغرافية ومستندات بالتفصيل',
  'inf-llava-8b': 'صور عالية الدقة: صور فوتوغرافية ومستندات ورسوم بيانية',
};

export const ar: Strings = {
  direction: 'rtl',

  picture: 'الصورة',
  choosePicture: 'اختر صورة',
  dropHint: 'أو أفلتها هنا أو الصقها.',
  chooseHint: 'تبقى الصورة على هذا الجهاز.',
  preview: 'معاينة الصورة',
  cropGrid: 'شبكة الأجزاء',
  looking: 'ما ينظر إليه',
  replace: 'استبدال',
  removePicture: 'إزالة',
  pictures: 'الصور',
  addPicture: 'إضافة صورة',
  removeNamed: (name) => `إزالة ${isolated(name)}`,
  enlarge: 'تكبير الصورة',
  camera: 'الكاميرا',
  takePicture: 'التقاط الصورة',
  recordVideo: 'تسجيل فيديو',
  stopRecording: (seconds) => `إيقاف: ${count(seconds)} ث`,
  recording: 'تسجيل',
  cameraFailed: 'لا توجد كاميرا، أو لا يُسمح لهذه الصفحة باستخدامها.',
  cancel: 'إلغاء',
  noPreview: 'لا تتوفر معاينة',
  pictureName: (name) => name || 'صورة ملصقة',
  pictureFacts: (info) => `${size(info.width, info.height)} بكسل · ${info.vision_passes > 0 ? `قُرئت في ${duration(info.vision_ms)}` : 'سبقت قراءتها'}`,
  pictureDetails: (info) =>
    info.crops_per_side > 1
      ? `يراها النموذج بحجم ${size(info.image_px, info.image_px)} بكسل في شبكة أجزاء ${size(info.crops_per_side, info.crops_per_side)}، ${passes(info.vision_passes)}`
      : passes(info.vision_passes),
  outsideScope:
    'لا يعرف هذا النموذج الصغير إلا رسومًا كالأمثلة: أشكال ولافتات ومخططات أعمدة. تبدو هذه الصورة مختلفة، ولا يُعوَّل على إجاباته عن الصور الفوتوغرافية. لهذه الصور يوجد النموذج الكامل.',
  outsideScopeShort: 'ليست من الرسوم التي يعرفها هذا النموذج: لا يُعوَّل على إجاباته',
  samplesLead: 'صور للتجربة، مع أسئلة يمكن طرحها',
  scope: (withSamples) => `يجيب هذا النموذج الصغير عن أسئلة حول رسوم${withSamples ? ' كهذه' : ''}: أشكال ولافتات ومخططات أعمدة.`,
  sampleName: (n) => `مثال ${n}`,
  sampleQuestions: 'أسئلة عن هذا المثال',

  lookedAt: 'ما ينظر إليه النموذج',
  lookedAtToken: 'كلمة من الإجابة الأخيرة',
  lookedAtHint: 'نالت الأماكن المضيئة قدرًا أكبر من انتباه النموذج عندما قال الكلمة.',
  lookedAtNothing: 'اطرح سؤالًا أولًا، فيظهر هنا من أين جاءت الإجابة.',
  lookedAtPosition: (token, of, text) => `${count(token)} من ${count(of)}: ${isolated(text)}`,
  dem: 'للصورة',
  decoder: 'للإجابة',
  lookedAtKind: 'موضع النظر',
  demHint: 'نالت الأماكن المضيئة قدرًا أكبر من الانتباه عند دمج منظورَي الصورة.',

  conversation: 'المحادثة',
  newChat: 'محادثة جديدة',
  exportChat: 'تصدير',
  exportMarkdown: 'بصيغة Markdown',
  exportJson: 'بصيغة JSON',
  opening: 'اختر صورة واسأل عنها. تُقرأ جزءًا تلو الآخر أثناء الكتابة.',
  starters: {
    any: ['صف هذه الصورة.', 'ما المكتوب فيها؟', 'ماذا يوجد في الزاوية السفلية اليمنى؟'],
    // They are sent to the model as they are, and the small model knows English only.
    drawn_scenes: en.starters.drawn_scenes,
  },
  startersLabel: 'أسئلة للبدء',
  you: 'أنت:',
  answer: 'الإجابة:',
  copy: 'نسخ',
  regenerate: 'إعادة التوليد',
  edit: 'تعديل',
  editing: 'أنت تعدّل سؤالًا. عند إرساله يُنسى ما جاء بعده.',
  resend: 'إعادة الإرسال',
  endings: { stop: '', stopped: 'أُوقفت', length: 'بلغت حد الرموز', context: 'امتلأ السياق: ابدأ محادثة جديدة' },
  took: duration,
  answerFacts: (answer) => [
    passes(answer.vision_passes),
    tokens(answer.answer_tokens),
    ...(answer.answer_tokens >= LEAST_RATED_TOKENS ? [`${rate(answer.tokens_per_second)} رمز/ث`] : []),
  ],
  promptFacts(answer) {
    const forms = { zero: 'رمز إدخال', one: 'رمز إدخال', two: 'رمزا إدخال', few: 'رموز إدخال', many: 'رمز إدخال', other: 'رمز إدخال' };
    return `${plural(answer.prompt_tokens, forms)}، الجديد منها ${count(answer.new_prompt_tokens)}`;
  },
  silence: 'لا يوجد نص.',
  remark({ code, answered, examples }) {
    const what = {
      needs_picture: 'يرجى اختيار صورة أولًا: يجيب هذا النموذج الصغير عن أسئلة حول الرسوم فقط.',
      not_english: 'يرجى السؤال بالإنجليزية: لا يعرف هذا النموذج الصغير لغة أخرى.',
      unlike_questions: answered
        ? 'لم يتعلم هذا النموذج الإجابة عن سؤال بهذه الصيغة: قد تكون الإجابة خاطئة.'
        : 'لم يتعلم هذا النموذج الإجابة عن ذلك. فهو يعرف الأشكال واللافتات ومخططات الأعمدة في الرسوم: اسأل عن شيء واحد في كل مرة.',
    };
    return `${what[code]} أسئلة يعرفها (بالإنجليزية): ${examples.map((example) => `\u2068“${example}”\u2069`).join('، ')}`;
  },
  brokenOff: 'انقطعت، وليست جزءًا من المحادثة',
  textOnly: 'بدون صورة',
  earlier: 'ما قيل قبل ذلك موجود في التصدير.',
  randomWeights: 'أوزان هذا النموذج عشوائية: فهو يُظهر أن المحرك يعمل، وإجاباته ضوضاء إلى أن يحل محله نموذج مدرَّب.',

  message: 'الرسالة',
  placeholder: 'اسأل عن الصورة',
  keys: 'اضغط Enter للإرسال، أو Shift+Enter لسطر جديد، أو Escape للإيقاف.',
  send: 'إرسال',
  stop: 'إيقاف',
  settings: 'الإعدادات',
  temperature: 'درجة الحرارة',
  maxNewTokens: 'الحد الأقصى للرموز الجديدة',
  seed: 'البذرة العشوائية',
  automatic: 'تلقائي',
  any: 'أي قيمة',
  detail: 'دقة فحص الصورة',
  details: { auto: 'كما دُرّب النموذج', low: 'منخفضة: سريعة، دون الخط الصغير', high: 'عالية: بطيئة، مع الخط الصغير' },
  detailTokens: (tokens) => `بحد أقصى ${tokens} من الرموز`,

  device: 'الجهاز',
  model: 'النموذج',
  models: 'النماذج',
  defaultModel: 'النموذج التجريبي الصغير',
  useModel: 'استخدام',
  inUse: 'قيد الاستخدام',
  openFolder: 'فتح مجلد نموذج',
  modelAddress: `عنوان مجلد نموذج، أو ${isolated('owner/name')}`,
  load: 'تحميل',
  knownModels: 'من منصة Hugging Face، مما يناسب هذا الجهاز',
  knownModel: ({ short, good_for: use, license, published_bytes: total }) =>
    `${uses[short] ?? isolated(use)} · ${isolated(license)} · حجم التنزيل ${bytes(total)}`,
  forPhotographs: ({ name, published_bytes: total }) => `للصور الفوتوغرافية: ${isolated(name)}، حجم التنزيل ${bytes(total)}`,
  deviceUnknown: 'غير معروف بعد',
  modelUnknown: 'غير محمَّل',
  modelFacts: (info) =>
    [isolated(info.name), `${compact(info.parameters)} معامل`, bytes(info.weights_bytes), `السياق: ${tokens(info.context_tokens)}`].join(' · '),
  kept: 'المحفوظ في هذا المتصفح',
  keptNothing: 'لا شيء محفوظ في هذا المتصفح.',
  keptEntry({ kind, name, bytes: kept, count: n = 0 }) {
    const one = 'صورة كما يراها النموذج';
    const forms = { zero: one, one, two: 'صورتان كما يراهما النموذج', few: 'صور كما يراها النموذج', many: one, other: one };
    const text = {
      model: name ? isolated(name) : 'تنزيل غير مكتمل',
      pictures: plural(n, forms),
      page: 'هذه الصفحة، لاستعمالها بلا شبكة',
      adapters: 'ما قيس من بطاقة الرسوميات',
    };
    return `${text[kind]} · ${bytes(kept)}`;
  },
  remove: 'حذف',
  removeForGood: 'حذف نهائي',
  removed: 'تم الحذف',
  noModelFolder: `لا يوجد في هذا المجلد ${isolated('manifest.json')} ولا ${isolated('config.json')}، فهو ليس مجلد نموذج.`,

  status: 'الحالة',
  progress: 'التقدّم',
  start: 'تحميل النموذج',
  loadingEngine: 'جارٍ تحميل المحرك',
  loading: (phase) => (phase === 'download' ? 'جارٍ تنزيل النموذج' : phase === 'conversion' ? 'جارٍ تنزيل النموذج وضغط أوزانه' : 'جارٍ تحميل النموذج'),
  progressOf(phase, done, total, { rate: speed, left_s }) {
    if (phase === 'vision' || phase === 'frames' || phase === 'prefill') return share(done, total);
    if (phase === 'conversion') return `ضُغط: ${ofTotal(done, total)}`;
    const pace = phase === 'download' && speed ? [`${bytes(speed)}/ث`, timeLeft(left_s)] : [];
    return [ofTotal(done, total), ...pace].join(' · ');
  },
  pause: 'إيقاف مؤقت',
  resume: 'متابعة',
  ready: ({ device, device_notice }) => `جاهز على ${isolated(device)}${device_notice ? ` (${isolated(device_notice)})` : ''}`,
  insecure: 'لم تصل هذه الصفحة عبر ⁨HTTPS⁩: لا يسمح لها المتصفح باستخدام بطاقة الرسوميات ولا بحفظ أي شيء.',
  downloadWaits: 'لم يُنزَّل شيء بعد',
  downloadPaused: 'التنزيل متوقف مؤقتًا',
  engineStopped: 'توقف التحميل',
  engineFailed: 'المحرك لا يعمل',
  recovering: 'توقف المحرك فجأة. يُعاد تشغيله الآن، ثم يتابع العمل.',
  waitingForEngine: 'سؤالك ينتظر المحرك',
  waitingForOthers: 'سؤالك ينتظر محادثة أخرى في هذه الصفحة',
  waitingForPicture: 'سؤالك ينتظر الصورة',
  pictureWaits: 'الصورة تنتظر انتهاء الإجابة',
  readingPicture: 'تجري قراءة الصورة',
  drawingFrames: 'يجري رسم إطارات الفيديو',
  pictureReady: (info) => (info.vision_passes > 0 ? `الصورة جاهزة، قُرئت في ${duration(info.vision_ms)}` : 'الصورة جاهزة: سبقت قراءتها'),
  pictureStopped: (kept) => (kept ? 'تم الإيقاف. ما زالت الصورة السابقة مستخدمة.' : 'تم الإيقاف. لا توجد صورة مستخدمة.'),
  pictureFailed: 'تعذّر استخدام الصورة',
  pictureRemoved: 'أُزيلت الصورة',
  byBrowser: 'فكّ المتصفح ترميز الصورة وصغّرها: قد تختلف بكسلاتها قليلاً عما يراه النموذج في مكان آخر.',
  severalFiles: (name) => `صورة واحدة في كل مرة: اختيرت ${isolated(name)}.`,
  answering: 'تجري كتابة الإجابة',
  stopping: 'جارٍ الإيقاف',
  answered: (ms) => `اكتملت الإجابة في ${duration(ms)}`,
  notAnswered: 'لم تتم الإجابة: السبب مكتوب مكان الإجابة',
  answerStopped: (answer) => `توقفت الإجابة بعد ${ofTokens(answer.answer_tokens)}`,
  questionStopped: 'تم الإيقاف. عاد سؤالك إلى مربع الكتابة.',
  questionFailed: 'لا توجد إجابة. عاد سؤالك إلى مربع الكتابة.',
  chatCleared: 'محادثة جديدة',
  copied: 'تم النسخ',

  consentTitle: ({ name }) => `هل تريد تنزيل ${name ? isolated(name) : 'النموذج'}؟`,
  consentMessage: ({ license, bytes: missing, total, kept, stored }) =>
    [
      missing < total ? `بقي تنزيل ${bytes(missing)} من أصل ${bytes(total)}.` : `حجم النموذج ${bytes(total)}.`,
      stored === undefined ? '' : `تُضغط أوزانه على هذا الجهاز أثناء التنزيل إلى ${bytes(stored)}.`,
      kept ? 'سيُحفظ في هذا المتصفح ولن يُنزَّل مرة أخرى.' : 'لا يستطيع هذا المتصفح حفظه، لذا سيُنزَّل في كل مرة.',
      license ? `ترخيص الأوزان: ${isolated(license)}.` : '',
    ]
      .filter(Boolean)
      .join(' '),
  download: (missing) => `تنزيل ${bytes(missing)}`,
  quotaMessage: ({ needed, free }) => `ما زال يلزم ${bytes(needed)}، والمتاح لهذا الموقع في المتصفح ${bytes(Math.max(free, 0))}.`,
  withoutKeeping: 'التحميل دون حفظ',

  failure: {
    load: 'تعذّر تحميل النموذج',
    picture: 'تعذّر استخدام هذه الصورة',
    question: 'لم تتم الإجابة عن هذا السؤال',
    crash: 'تعطّل المحرك',
    'device-lost': 'انقطع الاتصال ببطاقة الرسوميات',
    'out-of-memory': 'لم تبقَ مساحة في ذاكرة بطاقة الرسوميات',
    quota: 'لا توجد مساحة لهذا النموذج',
    copy: 'تعذّر النسخ',
  },
  errors: {
    network: 'تعذّر الوصول إلى خادم، أو لا يسمح لهذه الصفحة بالقراءة منه، أو أجاب بخطأ.',
    quota: 'لا توجد في المتصفح مساحة لهذا التنزيل.',
    hub: 'لا يعطي المركز هذا النموذج، أو ليس هناك نموذج بهذا الاسم.',
    damaged: 'ما يرسله الخادم ليس ما يصفه ملف البيان.',
    'file-too-large': 'يرسل الخادم أكثر مما يجوز لملف كهذا؛ لم تُستكمل قراءته.',
    'model-changed': 'تغيّرت ملفات النموذج وهو محمَّل.',
    'file-missing': 'ينقص مجلدَ النموذج ملف.',
    'file-access': 'لم يتمكن المتصفح من قراءة الملف؛ ربما نُقل أو تغيّر.',
    config: 'لا يمكن استخدام إعدادات النموذج.',
    tokenizer: 'لا يمكن استخدام مُقطِّع النصوص الخاص بالنموذج.',
    checkpoint: 'لا يمكن استخدام أحد ملفات الأوزان.',
    manifest: 'لا يمكن استخدام ملف بيان النموذج.',
    quantised: 'الأوزان مكمَّمة بطريقة لا تُقرأ هنا.',
    'tensor-missing': 'تنقص النموذجَ أوزان.',
    'tensor-shape': 'شكل بعض أوزان النموذج يخالف ما تذكره الإعدادات.',
    'tensor-dtype': 'بعض أوزان النموذج محفوظة بصيغة أعداد لا تُقرأ هنا.',
    'tensor-value': 'في أوزان النموذج قيم ليست أعدادًا.',
    memory: 'لا تتسع ذاكرة هذا الجهاز للنموذج.',
    device: 'وحدة الحساب المطلوبة غير موجودة أو تعطّلت.',
    'device-lost': 'انقطع الاتصال ببطاقة الرسوميات.',
    'out-of-memory': 'لا تكفي ذاكرة بطاقة الرسوميات للنموذج وهذه المحادثة.',
    'not-finite': 'لم ينتج عن الحساب عدد: السبب في الجهاز أو في الأوزان.',
    worker: 'تعذّر تشغيل برنامج المحرك.',
    'no-wasm-simd': 'لا يستطيع هذا المتصفح تشغيل برنامج المحرك.',
    'image-format': 'هذا الملف ليس صورة يمكن قراءتها هنا. تُقرأ صيغ PNG وJPEG وWebP وGIF وBMP.',
    'image-damaged': 'الصورة تالفة أو غير مكتملة.',
    'image-too-large': 'في الصورة عدد بكسلات أكبر من اللازم.',
    'image-shape': 'الصورة ضيقة إلى حد أن النموذج لن يرى منها شيئًا.',
    'context-exceeded': 'المحادثة أطول مما يتسع له النموذج. ابدأ محادثة جديدة أو اسأل سؤالًا أقصر.',
    'picture-not-held': 'لم تعد الصورة في الذاكرة. اخترها مرة أخرى.',
    busy: 'لم تكتمل بعد إجابة أخرى في هذه المحادثة.',
    option: 'لأحد الإعدادات قيمة غير ممكنة.',
    storage: 'تعذّر حذف ما هو محفوظ؛ ربما تستخدمه علامة تبويب أخرى.',
  },
  advice: {
    'picture-network': 'تحقق من عنوان الصورة ومن الاتصال. إن كانت على خادم آخر، فيجب أن يسمح لهذه الصفحة بقراءتها (CORS).',
    network: 'تحقق من الاتصال ومن عنوان النموذج، ثم أعد تحميله. إن كان على خادم آخر، فيجب أن يسمح لهذه الصفحة بالقراءة منه (CORS).',
    quota: 'احذف نماذج أخرى (الإعدادات)، أو أفرغ مساحة على القرص، أو حمّل النموذج دون حفظه.',
    hub: `تحقق من اسم النموذج: ${isolated('owner/name')}. النموذج الخاص، أو الذي يجب قبول ترخيصه، يحوّله البرنامج أولًا، ثم يُفتح مجلده هنا.`,
    damaged: `الملفات الموجودة على الخادم ليست هي التي يصفها ملف ${isolated('manifest.json')}. اسأل من وضعها هناك، أو حاول لاحقًا.`,
    manifest: 'لا يحتوي المجلد على نموذج تعرفه هذه الصفحة. قد يعرفه إصدار أحدث منها.',
    'file-missing': 'تحقق من عنوان النموذج؛ يجب أن يشير إلى مجلد.',
    device: `قد يعمل بدون بطاقة الرسوميات (${isolated('device="cpu"')}).`,
    'not-finite': `قد يعمل بدون بطاقة الرسوميات (${isolated('device="cpu"')}).`,
    memory: 'أغلق علامات تبويب أخرى، أو اختر نموذجًا أصغر.',
    'image-format': 'اختر صورة أخرى. ما كان هنا من قبل ما زال موجودًا.',
    'image-damaged': 'احفظ الصورة من جديد، أو اختر غيرها. ما كان هنا من قبل ما زال موجودًا.',
    'image-too-large': 'ما كان هنا من قبل ما زال موجودًا.',
    'image-shape': 'اختر صورة أخرى، أو اقتطع الجزء المهم منها. ما كان هنا من قبل ما زال موجودًا.',
    'context-exceeded': 'عاد سؤالك إلى مربع الكتابة.',
    option: 'راجع الإعدادات أسفل الرسالة.',
    'device-lost': 'ربما أُعيد ضبط البطاقة، أو استحوذ عليها برنامج آخر. ما زالت المحادثة هنا: أعد تشغيل المحرك لتستمر.',
    'out-of-memory': 'مع سياق أصغر يحتاج النموذج إلى مساحة أقل، لكنه ينسى ما قيل في وقت أبكر. ويفيد أيضًا إغلاق علامات التبويب والبرامج الأخرى.',
    crashed: 'ما زالت المحادثة هنا: أعد تشغيل المحرك لتستمر. التفاصيل في وحدة تحكم المتصفح.',
    'no-wasm-simd': 'يستطيع ذلك متصفح أحدث.',
  },
  loadAgain: 'إعادة التحميل',
  restart: 'إعادة تشغيل المحرك',
  smallerContext: (n) => `إعادة التشغيل بسعة ${ofTokens(n)}`,
  dismiss: 'إغلاق',
  crashedMessage: (detail) => `انتهى بالرسالة: ${isolated(detail)}`,
  crashedSilently: 'انتهى دون ذكر السبب، ربما لنقص في الذاكرة.',
  emptyQuestion: 'اكتب سؤالًا أولًا.',
  pictureNotRead: 'تعذّر استخدام الصورة التي كان السؤال ينتظرها.',
  fileTooLarge: (file, most) => `حجم الملف ${bytes(file)}، وأقصى ما يمكن قراءته هنا ${bytes(most)}. صغّر الصورة أولًا.`,
  copyFailed: 'لم يسمح المتصفح بذلك. حدّد النص وانسخه يدويًا.',
};
