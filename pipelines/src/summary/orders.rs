//! What orders to a language model look like, in the languages that lectures are held in.
//!
//! Each is what is done and what it is done to, both with alternatives, which stand close to each other. `*` is the rest
//! of a word. They are chosen to leave alone what teachers say: "ignore the friction", "the processor ignores this
//! instruction", "the system you see".

/// What is done, and to what; the second is empty where the first says all.
pub(super) type Order = (&'static str, &'static str);

/// Orders as they are said.
pub(super) const ORDERS: &[Order] = &[
    // Leave your task.
    (
        "ignore|disregard|override|bypass|neglect|forget|set aside|stop following|do not follow|don't follow|no longer follow",
        "all instruct*|all the instruct*|all of your instruct*|all your instruct*|previous instruct*|prior instruct*|earlier \
         instruct*|above instruct*|your instruct*|instructions above|instructions that you were|instructions you were|system \
         instruct*|everything above|all of the above instruct*|you were told|you have been told|you were asked|your guideline*|your \
         directive*|your task|your rules|your prompt*|previous rules|rules above|the prompt|system prompt*|system rules",
    ),
    (
        "ignoriere|ignoriert|vergiss|missachte",
        "alle * anweisungen|alle anweisungen|alle * instruktionen|deine anweisungen|deine vorgaben|deine regeln|deine aufgabe",
    ),
    (
        "ignore|ignorez|oublie|oubliez|néglige|négligez",
        "toutes les instructions|toutes les consignes|tout ce qui précède|instructions précédentes|consignes précédentes|tes instructions|tes consignes|vos \
         instructions|vos consignes",
    ),
    (
        "ignora|ignore|olvida|olvide|descarta|omite",
        "todas las instrucciones|instrucciones anteriores|instrucciones previas|tus instrucciones|sus instrucciones|tus reglas",
    ),
    (
        "ignora|dimentica|trascura",
        "tutte le istruzioni|istruzioni precedenti|le tue istruzioni|tue regole",
    ),
    (
        "ignore|ignora|esqueça|desconsidere",
        "todas as instruções|instruções anteriores|suas instruções|tuas instruções|suas regras",
    ),
    (
        "negeer|vergeet",
        "alle instructies|alle vorige|vorige instructies|eerdere instructies|je instructies|jouw instructies",
    ),
    (
        "zignoruj|ignoruj|zapomnij",
        "wszystkie instrukcje|poprzednie instrukcje|swoje instrukcje|poprzednich instrukcji",
    ),
    (
        "игнорируй|проигнорируй|забудь|отбрось",
        "все инструкции|предыдущие инструкции|прежние инструкции|свои инструкции|свои указания|предыдущие указания|системный промпт",
    ),
    (
        "ігноруй|проігноруй|забудь",
        "всі інструкції|попередні інструкції|свої інструкції|попередні вказівки",
    ),
    (
        "görmezden gel|yok say|unut|dikkate alma",
        "tüm talimatları|önceki talimatları|tüm komutları|önceki komutları",
    ),
    (
        "αγνόησε|αγνόησέ|ξέχασε",
        "όλες τις οδηγίες|προηγούμενες οδηγίες|όλες τις εντολές|προηγούμενες εντολές",
    ),
    (
        "تجاهل|انس",
        "جميع التعليمات|كل التعليمات|التعليمات السابقة|الأوامر السابقة|تعليماتك",
    ),
    (
        "התעלם|תתעלם|שכח",
        "מכל ההוראות|ההוראות הקודמות|כל ההוראות|מההוראות",
    ),
    ("अनदेखा|नज़रअंदाज़|नजरअंदाज", "सभी निर्देशों|पिछले निर्देशों|सभी आदेशों"),
    (
        "忽略|无视|無視|忘记|忘掉|不要理会",
        "所有指令|所有指示|所有的指示|之前的指示|以上指令|之前的指令|以上所有|所有的指令|前面的指令|你的指令",
    ),
    (
        "無視して|忘れて|従わないで",
        "これまでの指示|以前の指示|すべての指示|全ての指示|上記の指示",
    ),
    (
        "무시*|잊어*",
        "모든 지시*|이전의 지시*|이전 지시*|이전의 모든 지시*",
    ),
    // Write what I say.
    (
        "the summary|the title of this recording|language model|action items",
        "must say|should say|must contain|should contain|must begin|must end|must state",
    ),
    (
        "in the abstract|in the summary|of the summary",
        "include the|insert the|write that|replace every|replace all",
    ),
    ("was told to write|was told to say", "summari*"),
    ("in der zusammenfassung|im protokoll", "soll stehen|muss stehen"),
    ("le résumé", "doit dire|doit contenir"),
    ("en el resumen", "incluye que|escribe que|añade que|debe decir"),
    ("nel riassunto", "scrivi che|aggiungi che|deve dire"),
    ("no resumo", "escreva que|adicione que|deve dizer"),
    ("in de samenvatting", "moet staan|schrijf dat"),
    ("в резюме|в сводку|в конспект", "напиши что|добавь что|вставь что"),
    ("إلى الملخص|الى الملخص|في الملخص", "أضف|اضف|اكتب"),
    ("לסיכום|בסיכום", "כתוב|הוסף"),
    ("सारांश में", "लिखो|जोड़ो"),
    ("在摘要里|在摘要中|摘要里", "写上|加上|添加"),
    ("要約には|議事録には", "書いて|書け|加えて"),
    ("요약에", "추가해*|써라|출력해*"),
    // Be somebody else.
    (
        "you are now|from now on you are|from now on you're|pretend to be|roleplay as|role play as",
        "unrestricted|without rules|no rules|no restrictions|a pirate|hacker assistant|an assistant|jailbroken",
    ),
    // Give away what you were told.
    (
        "reveal|repeat|print|show|leak|output|translate|tell me",
        "your instruct*|your prompt*|your system prompt|your first instruct*|hidden prompt|system prompt",
    ),
    (
        "покажи|раскрой|выведи|напечатай",
        "системный промпт|свои инструкции|свой промпт",
    ),
    ("输出|显示|告诉|打印", "你的系统提示|系统提示词|你的指令"),
    // Said to nobody in the room.
    (
        "dear language model|dear ai|dear llm|dear summari*|hey ai|attention ai|note to ai|note to the ai|note to the model",
        "",
    ),
    (
        "message for the ai|message for the model|whoever summari*|whoever takes these notes",
        "",
    ),
    (
        "your new task is|your real task is|new system instruct*|new instructions from|begin instructions|end of transcript",
        "",
    ),
    ("system override|jailbreak mode|you are dan", ""),
];

/// What is an order only where somebody took the trouble to disguise it: nobody spells "ignore the rules" backwards for
/// students.
pub(super) const DISGUISED: &[Order] = &[
    (
        "ignor*|disregard|override|bypass|forget",
        "instruct*|prompt*|guideline*|directive*|rules",
    ),
    ("reveal|repeat|print|show", "prompt*|instruct*"),
    ("system prompt", ""),
    ("забудь|игнорируй", "правила|инструкции|указания"),
];

/// What a model is called by who speaks to it.
pub(super) const NAMES: &[&str] = &[
    "language model",
    "ai assistant",
    "ai model",
    "ai",
    "assistant",
    "chatbot",
    "note-taker",
    "notetaker",
    "note taker",
    "minutes-taker",
    "minutes taker",
    "summariser",
    "summarizer",
    "transcriber",
    "sprachmodell",
    "modèle de langage",
    "modelo de lenguaje",
    "языковая модель",
    "мовна модель",
];

/// What it is told to do then.
pub(super) const WRITE: &[&str] = &[
    "write",
    "say",
    "add",
    "mention",
    "report",
    "insert",
    "include",
    "respond",
    "reply",
    "answer",
    "output",
    "print",
    "list",
    "schreibe",
    "écris",
    "ajoute",
    "escribe",
    "añade",
    "запиши",
    "напиши",
    "добавь",
    "додай",
];

/// What models take for the end of somebody's words; it can be typed as a name, and hardly be said.
pub(super) const MARKS: &[&str] = &[
    "</",
    "<|",
    "[inst]",
    "```",
    "<system",
    "<user",
    "<assistant",
    "###",
    "tool_call",
    "function call:",
];

/// Two of them in a row are a made-up conversation.
pub(super) const ROLES: &[&str] = &["system:", "user:", "assistant:"];
