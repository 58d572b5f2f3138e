/**
 * What happened, by an error's code, in languages other than the engine's. The engine's own words, with names and
 * numbers, stand below them. Codes that are not here are said by the element itself, or never reach it.
 */

export type ErrorTexts = Partial<Record<string, string>>;

export const en: ErrorTexts = {
  'file-access': 'The browser could not read the file; it may have been moved or changed.',
};

export const de: ErrorTexts = {
  network: 'Ein Server war nicht zu erreichen, erlaubt dieser Seite das Lesen nicht oder hat mit einem Fehler geantwortet.',
  quota: 'Der Browser hat für den Download keinen Platz.',
  damaged: 'Was der Server schickt, ist nicht das, was das Manifest beschreibt.',
  'file-too-large': 'Der Server schickt mehr, als eine solche Datei haben darf; sie wurde nicht weiter gelesen.',
  'model-changed': 'Die Dateien des Modells wurden geändert, während es geladen war.',
  'file-missing': 'Im Modellordner fehlt eine Datei.',
  'file-access': 'Der Browser konnte die Datei nicht lesen; vielleicht wurde sie verschoben oder geändert.',
  config: 'Die Konfiguration des Modells kann nicht verwendet werden.',
  tokenizer: 'Der Tokenizer des Modells kann nicht verwendet werden.',
  checkpoint: 'Eine Datei mit Gewichten kann nicht verwendet werden.',
  manifest: 'Das Manifest des Modells kann nicht verwendet werden.',
  quantised: 'Die Gewichte sind auf eine Art quantisiert, die hier nicht gelesen wird.',
  'tensor-missing': 'Dem Modell fehlen Gewichte.',
  'tensor-shape': 'Gewichte des Modells haben eine andere Form, als die Konfiguration angibt.',
  'tensor-dtype': 'Gewichte des Modells sind in einem Zahlenformat gespeichert, das hier nicht gelesen wird.',
  'tensor-value': 'Gewichte des Modells enthalten Werte, die keine Zahlen sind.',
  memory: 'Das Modell passt nicht in den Speicher dieses Geräts.',
  device: 'Das gewünschte Rechenwerk ist nicht da oder hat versagt.',
  'device-lost': 'Die Verbindung zur Grafikkarte ist abgerissen.',
  'out-of-memory': 'Für das Modell und diese Unterhaltung reicht der Speicher der Grafikkarte nicht.',
  'not-finite': 'Die Rechnung ergab keine Zahl: Es liegt am Gerät oder an den Gewichten.',
  worker: 'Das Skript der Engine konnte nicht gestartet werden.',
  'no-wasm-simd': 'Dieser Browser kann das WebAssembly der Engine nicht ausführen.',
  'image-format': 'Das ist kein Bild, das hier gelesen werden kann. Gelesen werden PNG, JPEG, WebP, GIF und BMP.',
  'image-damaged': 'Das Bild ist beschädigt oder bricht ab.',
  'image-too-large': 'Das Bild hat zu viele Pixel.',
  'context-exceeded': 'Die Unterhaltung ist zu lang für das Modell. Bitte einen neuen Chat beginnen oder kürzer fragen.',
  'picture-not-held': 'Das Bild ist nicht mehr im Speicher. Bitte noch einmal auswählen.',
  busy: 'Eine andere Antwort dieser Unterhaltung ist noch nicht fertig.',
  option: 'Eine Einstellung hat einen Wert, der nicht möglich ist.',
  storage: 'Was gespeichert ist, konnte nicht gelöscht werden; vielleicht verwendet es ein anderer Tab.',
};

export const ar: ErrorTexts = {
  network: 'تعذّر الوصول إلى خادم، أو لا يسمح لهذه الصفحة بالقراءة منه، أو أجاب بخطأ.',
  quota: 'لا توجد في المتصفح مساحة لهذا التنزيل.',
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
  'context-exceeded': 'المحادثة أطول مما يتسع له النموذج. ابدأ محادثة جديدة أو اسأل سؤالًا أقصر.',
  'picture-not-held': 'لم تعد الصورة في الذاكرة. اخترها مرة أخرى.',
  busy: 'لم تكتمل بعد إجابة أخرى في هذه المحادثة.',
  option: 'لأحد الإعدادات قيمة غير ممكنة.',
  storage: 'تعذّر حذف ما هو محفوظ؛ ربما تستخدمه علامة تبويب أخرى.',
};
