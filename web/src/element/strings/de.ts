import { en } from './en.js';
import { formatFor, LEAST_RATED_TOKENS } from './format.js';
import type { Strings } from './strings.js';

const { bytes, compact, count, duration, plural, rate, share } = formatFor('de');
const passes = (n: number) => plural(n, { one: 'Durchlauf des Bildteils', other: 'Durchläufe des Bildteils' });
const tokens = (n: number) => plural(n, { one: 'Token', other: 'Tokens' });
const promptTokens = (n: number) => plural(n, { one: 'Prompt-Token', other: 'Prompt-Tokens' });
const timeLeft = (s: number) => (s < 90 ? `noch ${Math.ceil(s)} s` : `noch ${plural(Math.round(s / 60), { one: 'Minute', other: 'Minuten' })}`);
const ofTotal = (done: number, total: number) => (total ? `${bytes(done)} von ${bytes(total)}` : bytes(done));
/** What a known model is good for, by its short name. */
const uses: Record<string, string> = {
  'smolvlm-256m': 'Fotos, auf fast jedem Gerät',
  'smolvlm2-256m': 'Fotos und kurze Videos, auf fast jedem Gerät',
  'smolvlm-500m': 'Fotos und kurze Texte darin',
  'smolvlm2-500m': 'Fotos, kurze Texte darin, kurze Videos',
  'interleave-0.5b': 'Bilder vergleichen; nur zur Forschung',
  'onevision-0.5b': 'Fotos, Dokumente, Diagramme, Videos',
  'llava-1.5-7b': 'Fotos, in ganzen Absätzen',
  'llava-1.6-vicuna-7b': 'Fotos und Dokumente im Einzelnen',
  'llava-1.6-mistral-7b': 'Fotos und Dokumente im Einzelnen',
  'llava-1.6-llama3-8b': 'Fotos und Dokumente im Einzelnen',
  'inf-llava-8b': 'Bilder in hoher Auflösung: Fotos, Dokumente, Diagramme',
};

export const de: Strings = {
  direction: 'ltr',

  picture: 'Bild',
  choosePicture: 'Bild auswählen',
  dropHint: 'oder hierher ziehen oder einfügen.',
  chooseHint: 'Das Bild bleibt auf diesem Gerät.',
  preview: 'Bildvorschau',
  cropGrid: 'Ausschnittraster',
  looking: 'Worauf es achtet',
  replace: 'Ersetzen',
  removePicture: 'Entfernen',
  pictures: 'Bilder',
  addPicture: 'Bild hinzufügen',
  removeNamed: (name) => `${name} entfernen`,
  enlarge: 'Bild vergrößern',
  camera: 'Kamera',
  takePicture: 'Bild aufnehmen',
  recordVideo: 'Video aufnehmen',
  stopRecording: (seconds) => `Stopp: ${count(seconds)} s`,
  recording: 'Aufnahme',
  cameraFailed: 'Es gibt keine Kamera, oder diese Seite darf sie nicht verwenden.',
  cancel: 'Abbrechen',
  noPreview: 'Keine Vorschau',
  pictureName: (name) => name || 'eingefügtes Bild',
  pictureFacts: (info) => `${info.width} × ${info.height} px · ${info.vision_passes > 0 ? `gelesen in ${duration(info.vision_ms)}` : 'schon früher gelesen'}`,
  pictureDetails: (info) =>
    info.crops_per_side > 1
      ? `gesehen mit ${info.image_px} × ${info.image_px} px in ${info.crops_per_side} × ${info.crops_per_side} Ausschnitten, ${passes(info.vision_passes)}`
      : `gesehen: ${passes(info.vision_passes)}`,
  outsideScope:
    'Dieses kleine Modell kennt nur Zeichnungen wie die Beispiele: Figuren, Schilder, Balkendiagramme. Dieses Bild sieht anders aus; zu Fotos sagen die Antworten wenig aus. Für Fotos gibt es das vollständige Modell.',
  outsideScopeShort: 'keine Zeichnung der Art, die dieses Modell kennt: Die Antworten sagen wenig aus',
  samplesLead: 'Beispielbilder mit passenden Fragen',
  scope: (withSamples) => `Dieses kleine Modell beantwortet Fragen zu Zeichnungen${withSamples ? ' wie diesen' : ''}: Figuren, Schilder, Balkendiagramme.`,
  sampleName: (n) => `Beispiel ${n}`,
  sampleQuestions: 'Fragen zu diesem Beispiel',

  lookedAt: 'Worauf das Modell achtet',
  lookedAtToken: 'Wort der letzten Antwort',
  lookedAtHint: 'Auf helle Stellen hat das Modell bei diesem Wort stärker geachtet.',
  lookedAtNothing: 'Bitte zuerst etwas fragen: Hier ist dann zu sehen, woher die Antwort kam.',
  lookedAtPosition: (token, of, text) => `${count(token)} von ${count(of)}: ${text}`,
  dem: 'für das Bild',
  decoder: 'für die Antwort',
  lookedAtKind: 'Beachtet',
  demHint: 'Auf helle Stellen wurde stärker geachtet, als die beiden Ansichten des Bildes zusammengeführt wurden.',

  conversation: 'Unterhaltung',
  newChat: 'Neuer Chat',
  exportChat: 'Exportieren',
  exportMarkdown: 'Als Markdown',
  exportJson: 'Als JSON',
  opening: 'Einfach ein Bild auswählen und fragen. Schon beim Tippen wird es gelesen, Ausschnitt für Ausschnitt.',
  starters: {
    any: ['Beschreibe dieses Bild.', 'Was steht darauf geschrieben?', 'Was ist in der Ecke unten rechts zu sehen?'],
    // They are sent to the model as they are, and the small model knows English only.
    drawn_scenes: en.starters.drawn_scenes,
  },
  startersLabel: 'Fragen für den Einstieg',
  you: 'Sie:',
  answer: 'Antwort:',
  copy: 'Kopieren',
  regenerate: 'Neu erzeugen',
  edit: 'Bearbeiten',
  editing: 'Eine Frage wird geändert. Beim Senden wird vergessen, was danach kam.',
  resend: 'Erneut senden',
  endings: { stop: '', stopped: 'gestoppt', length: 'Token-Grenze erreicht', context: 'Kontext ist voll: neuen Chat beginnen' },
  took: duration,
  answerFacts: (answer) => [
    passes(answer.vision_passes),
    tokens(answer.answer_tokens),
    ...(answer.answer_tokens >= LEAST_RATED_TOKENS ? [`${rate(answer.tokens_per_second)} Tokens/s`] : []),
  ],
  promptFacts: (answer) => `${promptTokens(answer.prompt_tokens)}, davon ${count(answer.new_prompt_tokens)} neu`,
  silence: 'Kein Text.',
  remark({ code, answered, examples }) {
    const what = {
      needs_picture: 'Bitte zuerst ein Bild wählen: Dieses kleine Modell beantwortet Fragen zu Zeichnungen und sonst keine.',
      not_english: 'Bitte auf Englisch fragen: Dieses kleine Modell kennt keine andere Sprache.',
      unlike_questions: answered
        ? 'So gestellte Fragen hat dieses Modell nicht gelernt: Die Antwort kann falsch sein.'
        : 'Das hat dieses Modell nicht gelernt. Es kennt Figuren, Schilder und Balkendiagramme einer Zeichnung: Bitte nach einem davon fragen.',
    };
    return `${what[code]} Fragen, die es kennt (englisch): ${examples.map((example) => `„${example}“`).join(', ')}`;
  },
  brokenOff: 'abgebrochen, nicht Teil der Unterhaltung',
  textOnly: 'Ohne Bild',
  earlier: 'Was vorher gesagt wurde, steht im Export.',
  randomWeights:
    'Dieses Modell hat zufällige Gewichte: Es zeigt, dass die Engine läuft, und seine Antworten sind Rauschen, bis ein trainiertes Modell an seine Stelle tritt.',

  message: 'Nachricht',
  placeholder: 'Frage zum Bild',
  keys: 'Enter sendet, Umschalt+Enter beginnt eine neue Zeile, Esc stoppt.',
  send: 'Senden',
  stop: 'Stoppen',
  settings: 'Einstellungen',
  temperature: 'Temperatur',
  maxNewTokens: 'Max. neue Tokens',
  seed: 'Startwert',
  automatic: 'automatisch',
  any: 'beliebig',
  detail: 'Genauigkeit des Bildes',
  details: { auto: 'wie gelernt', low: 'niedrig: schnell, keine kleine Schrift', high: 'hoch: langsam, kleine Schrift' },
  detailTokens: (tokens) => `höchstens ${tokens} Tokens`,

  device: 'Gerät',
  model: 'Modell',
  models: 'Modelle',
  defaultModel: 'Kleines Demomodell',
  useModel: 'Verwenden',
  inUse: 'wird verwendet',
  openFolder: 'Modellordner öffnen',
  modelAddress: 'Adresse eines Modellordners oder owner/name',
  load: 'Laden',
  knownModels: 'Auf dem Hub von Hugging Face, für dieses Gerät',
  knownModel: ({ short, good_for: use, license, published_bytes: size }) => `${uses[short] ?? use} · ${license} · ${bytes(size)} Download`,
  forPhotographs: ({ name, published_bytes: size }) => `Für Fotos: ${name}, ${bytes(size)} Download`,
  deviceUnknown: 'noch nicht bekannt',
  modelUnknown: 'nicht geladen',
  modelFacts: (info) => [info.name, `${compact(info.parameters)} Parameter`, bytes(info.weights_bytes), `${tokens(info.context_tokens)} Kontext`].join(' · '),
  kept: 'In diesem Browser gespeichert',
  keptNothing: 'In diesem Browser ist nichts gespeichert.',
  keptEntry({ kind, name, bytes: size, count: n = 0 }) {
    const forms = { one: 'Bild, wie das Modell es sieht', other: 'Bilder, wie das Modell sie sieht' };
    const text = {
      model: name || 'unvollständiger Download',
      pictures: plural(n, forms),
      page: 'diese Seite, für Besuche ohne Netz',
      adapters: 'was an der Grafikkarte gemessen wurde',
    };
    return `${text[kind]} · ${bytes(size)}`;
  },
  remove: 'Löschen',
  removeForGood: 'Endgültig löschen',
  removed: 'Gelöscht',
  noModelFolder: 'In diesem Ordner gibt es weder manifest.json noch config.json: Er enthält kein Modell.',

  status: 'Status',
  progress: 'Fortschritt',
  start: 'Modell laden',
  loadingEngine: 'Engine wird geladen',
  loading: (phase) =>
    phase === 'download' ? 'Modell wird heruntergeladen' : phase === 'conversion' ? 'Modell wird heruntergeladen und quantisiert' : 'Modell wird geladen',
  progressOf(phase, done, total, { rate: speed, left_s }) {
    if (phase === 'vision' || phase === 'frames' || phase === 'prefill') return share(done, total);
    if (phase === 'conversion') return `quantisiert: ${ofTotal(done, total)}`;
    const pace = phase === 'download' && speed ? [`${bytes(speed)}/s`, timeLeft(left_s)] : [];
    return [ofTotal(done, total), ...pace].join(' · ');
  },
  pause: 'Anhalten',
  resume: 'Fortsetzen',
  ready: ({ device, device_notice }) => `Bereit auf ${device}${device_notice ? ` (${device_notice})` : ''}`,
  insecure: 'Diese Seite kam nicht über HTTPS: Der Browser lässt sie keine Grafikkarte benutzen und nichts behalten.',
  downloadWaits: 'Noch wurde nichts heruntergeladen',
  downloadPaused: 'Download angehalten',
  engineStopped: 'Laden gestoppt',
  engineFailed: 'Die Engine läuft nicht',
  recovering: 'Die Engine ist ausgefallen. Sie wird neu gestartet, dann geht es weiter.',
  waitingForEngine: 'Die Frage wartet auf die Engine',
  waitingForOthers: 'Die Frage wartet auf eine andere Unterhaltung dieser Seite',
  waitingForPicture: 'Die Frage wartet auf das Bild',
  pictureWaits: 'Das Bild wartet auf das Ende der Antwort',
  readingPicture: 'Bild wird gelesen',
  drawingFrames: 'Die Einzelbilder des Videos werden gezeichnet',
  pictureReady: (info) => (info.vision_passes > 0 ? `Bild bereit, gelesen in ${duration(info.vision_ms)}` : 'Bild bereit: Es wurde schon früher gelesen'),
  pictureStopped: (kept) => (kept ? 'Gestoppt. Das vorherige Bild wird weiter verwendet.' : 'Gestoppt. Es wird kein Bild verwendet.'),
  pictureFailed: 'Das Bild konnte nicht verwendet werden',
  pictureRemoved: 'Bild entfernt',
  byBrowser: 'Vom Browser dekodiert und verkleinert: Die Pixel können etwas anders sein, als das Modell sie anderswo sähe.',
  severalFiles: (name) => `Nur ein Bild auf einmal: ${name} wurde übernommen.`,
  answering: 'Antwort wird geschrieben',
  stopping: 'Wird gestoppt',
  answered: (ms) => `Antwort fertig in ${duration(ms)}`,
  notAnswered: 'Nicht beantwortet: Der Grund steht anstelle der Antwort',
  answerStopped: (answer) => `Nach ${tokens(answer.answer_tokens)} gestoppt`,
  questionStopped: 'Gestoppt. Die Frage steht wieder im Eingabefeld.',
  questionFailed: 'Keine Antwort. Die Frage steht wieder im Eingabefeld.',
  chatCleared: 'Neuer Chat',
  copied: 'Kopiert',

  consentTitle: ({ name }) => `${name || 'Das Modell'} herunterladen?`,
  consentMessage: ({ license, bytes: missing, total, kept, stored }) =>
    [
      missing < total ? `Es fehlen noch ${bytes(missing)} von ${bytes(total)}.` : `Das Modell ist ${bytes(total)} groß.`,
      stored === undefined ? '' : `Es wird beim Herunterladen auf diesem Gerät quantisiert, auf ${bytes(stored)}.`,
      kept
        ? 'Es bleibt in diesem Browser gespeichert und wird nicht noch einmal heruntergeladen.'
        : 'Dieser Browser kann es nicht speichern: Es würde jedes Mal neu heruntergeladen.',
      license ? `Lizenz der Gewichte: ${license}.` : '',
    ]
      .filter(Boolean)
      .join(' '),
  download: (size) => `${bytes(size)} herunterladen`,
  quotaMessage: ({ needed, free }) => `Benötigt werden noch ${bytes(needed)}; im Browser sind für diese Website ${bytes(Math.max(free, 0))} frei.`,
  withoutKeeping: 'Laden, ohne zu speichern',

  failure: {
    load: 'Das Modell konnte nicht geladen werden',
    picture: 'Dieses Bild konnte nicht verwendet werden',
    question: 'Diese Frage wurde nicht beantwortet',
    crash: 'Die Engine ist abgestürzt',
    'device-lost': 'Die Grafikkarte ist nicht mehr verfügbar',
    'out-of-memory': 'Auf der Grafikkarte ist kein Speicher mehr frei',
    quota: 'Für dieses Modell ist kein Platz',
    copy: 'Kopieren fehlgeschlagen',
  },
  errors: {
    network: 'Ein Server war nicht zu erreichen, erlaubt dieser Seite das Lesen nicht oder hat mit einem Fehler geantwortet.',
    quota: 'Der Browser hat für den Download keinen Platz.',
    hub: 'Der Hub gibt dieses Modell nicht heraus, oder es gibt es dort nicht.',
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
    'image-shape': 'Das Bild ist so schmal, dass das Modell nichts davon sähe.',
    'context-exceeded': 'Die Unterhaltung ist zu lang für das Modell. Bitte einen neuen Chat beginnen oder kürzer fragen.',
    'picture-not-held': 'Das Bild ist nicht mehr im Speicher. Bitte noch einmal auswählen.',
    busy: 'Eine andere Antwort dieser Unterhaltung ist noch nicht fertig.',
    option: 'Eine Einstellung hat einen Wert, der nicht möglich ist.',
    storage: 'Was gespeichert ist, konnte nicht gelöscht werden; vielleicht verwendet es ein anderer Tab.',
  },
  advice: {
    'picture-network': 'Prüfen Sie die Adresse des Bildes und die Verbindung. Ein anderer Server muss dieser Seite das Lesen erlauben (CORS).',
    network: 'Bitte die Verbindung und die Adresse des Modells prüfen, dann erneut laden. Ein anderer Server muss dieser Seite das Lesen erlauben (CORS).',
    quota: 'Bitte andere Modelle löschen (Einstellungen), Speicherplatz freigeben oder das Modell laden, ohne es zu speichern.',
    hub: 'Bitte den Namen des Modells prüfen: owner/name. Ein privates Modell, oder eines, dessen Lizenz man erst annehmen muss, wandelt das Programm um; dessen Ordner wird dann hier geöffnet.',
    damaged: 'Die Dateien auf dem Server sind nicht die, die das Manifest beschreibt. Bitte beim Anbieter nachfragen oder es später noch einmal versuchen.',
    manifest: 'Der Ordner enthält kein Modell, das diese Seite kennt. Eine neuere Version der Seite kennt es vielleicht.',
    'file-missing': 'Bitte die Adresse des Modells prüfen; sie muss einen Ordner angeben.',
    device: 'Ohne die Grafikkarte (device="cpu") läuft es vielleicht.',
    'not-finite': 'Ohne die Grafikkarte (device="cpu") läuft es vielleicht.',
    memory: 'Bitte andere Tabs schließen oder ein kleineres Modell wählen.',
    'image-format': 'Bitte ein anderes Bild wählen. Was vorher da war, ist noch da.',
    'image-damaged': 'Bitte das Bild neu speichern oder ein anderes wählen. Was vorher da war, ist noch da.',
    'image-too-large': 'Was vorher da war, ist noch da.',
    'image-shape': 'Bitte ein anderes Bild wählen oder den wichtigen Teil ausschneiden. Was vorher da war, ist noch da.',
    'context-exceeded': 'Die Frage steht wieder im Eingabefeld.',
    option: 'Bitte die Einstellungen unter der Nachricht prüfen.',
    'device-lost':
      'Vielleicht wurde sie zurückgesetzt oder von einem anderen Programm belegt. Die Unterhaltung ist noch da: Nach einem Neustart der Engine geht sie weiter.',
    'out-of-memory':
      'Mit einem kleineren Kontext braucht das Modell weniger Platz und vergisst früher, was gesagt wurde. Auch das Schließen anderer Tabs und Programme hilft.',
    crashed: 'Die Unterhaltung ist noch da: Nach einem Neustart der Engine geht sie weiter. Einzelheiten stehen in der Konsole des Browsers.',
    'no-wasm-simd': 'Ein neuerer Browser kann es.',
  },
  loadAgain: 'Erneut laden',
  restart: 'Engine neu starten',
  smallerContext: (n) => `Neu starten mit Platz für ${tokens(n)}`,
  dismiss: 'Schließen',
  crashedMessage: (detail) => `Sie endete mit: ${detail}`,
  crashedSilently: 'Sie endete ohne Angabe eines Grundes, vielleicht aus Mangel an Speicher.',
  emptyQuestion: 'Bitte zuerst eine Frage eingeben.',
  pictureNotRead: 'Das Bild, auf das sie wartete, konnte nicht verwendet werden.',
  fileTooLarge: (size, most) => `Die Datei ist ${bytes(size)} groß; hier können höchstens ${bytes(most)} gelesen werden. Bitte das Bild zuerst verkleinern.`,
  copyFailed: 'Der Browser hat es nicht erlaubt. Bitte den Text markieren und von Hand kopieren.',
};
