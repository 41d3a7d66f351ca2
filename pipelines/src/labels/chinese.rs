//! Chinese, in simplified and in traditional characters, in the words of our web pages.

use super::Labels;

pub(super) static SIMPLIFIED: Labels = Labels {
    language: "zh-CN",
    colon: "：",
    sentence_space: "",
    decimal_mark: ".",

    lecture_notes: "讲座笔记",
    contents: "目录",
    summary: "摘要",
    chapters: "章节",
    key_terms: "关键术语",
    action_items: "待办事项",
    questions: "问题",
    answers: "答案",
    participants: "参与者",
    files: "文件",
    chat: "聊天",
    transcript: "文字记录",

    date: "日期",
    date_form: "{year}年{month}{day}日 {time} UTC",
    months: MONTHS,
    date_unknown: "日期不详",
    duration: "时长",
    room: "房间",

    until: "至 {}",
    spoke_for: "发言 {}",
    also_there: "其他在场者",
    shared_by: "，分享者：",
    bytes: ["字节", "kB", "MB", "GB"],
    and_more: "另有 {} 处",
    nothing_to_sum_up: "没有可供概括的发言。",
    nobody_spoke: "无人发言。",
    characters_missing: "此处的字体缺少部分字符，这些字符以编号印出。",

    not_recorded: "未记录",
    recogniser_away: "识别器不可用",
    recogniser_refused: "识别器拒绝访问",
    recogniser_silent: "识别器没有应答",

    extractive: "内置摘要：句子摘自文字记录，并非由语言模型撰写。",
    written_by: "由语言模型 {} 根据文字记录撰写，可能有误。",
    model_away: "语言模型无法连接，或未及时回答。",
    model_refused: "语言模型拒绝了访问。",
    model_unusable: "语言模型没有给出可用的回答。",
    model_awaited: "待其摘要完成后，将取代本摘要。",
    covers: "涵盖文字记录的 {}%。",
    outdated: "摘要生成后，其所依据的文字已有更正。",
    one_line_left_out: "有 1 行因没有相应的发言为据而略去。",
    lines_left_out: "有 {} 行因没有相应的发言为据而略去。",
};

pub(super) static TRADITIONAL: Labels = Labels {
    language: "zh-TW",
    colon: "：",
    sentence_space: "",
    decimal_mark: ".",

    lecture_notes: "講座筆記",
    contents: "目錄",
    summary: "摘要",
    chapters: "章節",
    key_terms: "關鍵術語",
    action_items: "待辦事項",
    questions: "問題",
    answers: "答案",
    participants: "參與者",
    files: "檔案",
    chat: "聊天",
    transcript: "文字記錄",

    date: "日期",
    date_form: "{year}年{month}{day}日 {time} UTC",
    months: MONTHS,
    date_unknown: "日期不詳",
    duration: "時長",
    room: "房間",

    until: "至 {}",
    spoke_for: "發言 {}",
    also_there: "其他在場者",
    shared_by: "，分享者：",
    bytes: ["位元組", "kB", "MB", "GB"],
    and_more: "另有 {} 處",
    nothing_to_sum_up: "沒有可供概括的發言。",
    nobody_spoke: "無人發言。",
    characters_missing: "此處的字型缺少部分字元，這些字元以編號印出。",

    not_recorded: "未記錄",
    recogniser_away: "辨識器無法使用",
    recogniser_refused: "辨識器拒絕存取",
    recogniser_silent: "辨識器沒有回應",

    extractive: "內建摘要：句子摘自文字記錄，並非由語言模型撰寫。",
    written_by: "由語言模型 {} 根據文字記錄撰寫，可能有誤。",
    model_away: "語言模型無法連線，或未及時回答。",
    model_refused: "語言模型拒絕了存取。",
    model_unusable: "語言模型沒有給出可用的回答。",
    model_awaited: "待其摘要完成後，將取代本摘要。",
    covers: "涵蓋文字記錄的 {}%。",
    outdated: "摘要產生後，其所依據的文字已有更正。",
    one_line_left_out: "有 1 行因沒有相應的發言為據而略去。",
    lines_left_out: "有 {} 行因沒有相應的發言為據而略去。",
};

const MONTHS: [&str; 12] = [
    "1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月",
];
