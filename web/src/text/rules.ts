// What is wrong with a field and what to write instead, by the rules that the service names.
import type { Language } from "./language.js";

export const rules: Record<string, Record<Language, string>> = {
  required: {
    en: "Fill this in.",
    ru: "Заполните это поле.",
    "zh-Hans": "请填写此项。",
    "zh-Hant": "請填寫此項。",
  },
  empty: {
    en: "Write something here.",
    ru: "Напишите здесь что-нибудь.",
    "zh-Hans": "此处不能为空。",
    "zh-Hant": "此處不能為空。",
  },
  unprintable: {
    en: "This has characters that can't be shown. Write it anew.",
    ru: "Здесь есть символы, которые нельзя показать. Напишите заново.",
    "zh-Hans": "含有无法显示的字符。请重新输入。",
    "zh-Hant": "含有無法顯示的字元。請重新輸入。",
  },
  tooLong: {
    en: "This is too long. Write at most {limit} characters.",
    ru: "Слишком длинно. Не больше {limit} символов.",
    "zh-Hans": "内容过长。最多 {limit} 个字符。",
    "zh-Hant": "內容過長。最多 {limit} 個字元。",
  },
  tooShort: {
    en: "This is too short. Write at least {minimum} characters; a few words in a row are best.",
    ru: "Слишком коротко. Не меньше {minimum} символов; лучше всего несколько слов подряд.",
    "zh-Hans": "内容过短。至少 {minimum} 个字符，使用几个连续的词语最佳。",
    "zh-Hant": "內容過短。至少 {minimum} 個字元，使用幾個連續的詞語最佳。",
  },
  outOfRange: {
    en: "Choose from {minimum} to {limit}.",
    ru: "Укажите от {minimum} до {limit}.",
    "zh-Hans": "请填写 {minimum} 到 {limit} 之间的值。",
    "zh-Hant": "請填寫 {minimum} 到 {limit} 之間的值。",
  },
  email: {
    en: "Write an e-mail address, such as ada@example.org.",
    ru: "Напишите адрес эл. почты, например ada@example.org.",
    "zh-Hans": "请填写邮箱地址，例如 ada@example.org。",
    "zh-Hant": "請填寫電子郵件地址，例如 ada@example.org。",
  },
  guessable: {
    en: "Others would try this among the first. Three or four words in a row make a good one.",
    ru: "Такой пароль подберут одним из первых. Хорошо подойдут три-четыре слова подряд.",
    "zh-Hans": "此密码容易被猜到。三四个连续的词语是不错的选择。",
    "zh-Hant": "此密碼容易被猜到。三四個連續的詞語是不錯的選擇。",
  },
  pin: {
    en: "Write only digits, {minimum} to {limit} of them.",
    ru: "Только цифры, от {minimum} до {limit}.",
    "zh-Hans": "只能是数字，{minimum} 到 {limit} 位。",
    "zh-Hant": "只能是數字，{minimum} 到 {limit} 位。",
  },
  time: {
    en: "Choose a day and a time.",
    ru: "Укажите день и время.",
    "zh-Hans": "请选择日期和时间。",
    "zh-Hant": "請選擇日期和時間。",
  },
  timeZone: {
    en: "The service doesn't know this time zone. Check your device's clock.",
    ru: "Сервис не знает этот часовой пояс. Проверьте часы устройства.",
    "zh-Hans": "服务无法识别此时区。请检查设备时钟。",
    "zh-Hant": "服務無法辨識此時區。請檢查裝置時鐘。",
  },
  language: {
    en: "Choose a language of the list.",
    ru: "Выберите язык из списка.",
    "zh-Hans": "请从列表中选择语言。",
    "zh-Hant": "請從清單中選擇語言。",
  },
  url: {
    en: "This address can't be called. Write one that begins with https://.",
    ru: "По этому адресу нельзя обратиться. Напишите адрес, начинающийся с https://.",
    "zh-Hans": "无法访问此地址。请填写以 https:// 开头的地址。",
    "zh-Hant": "無法存取此位址。請填寫以 https:// 開頭的位址。",
  },
  fileName: {
    en: "Give the file a plain name, such as slides.pdf.",
    ru: "Дайте файлу простое имя, например slides.pdf.",
    "zh-Hans": "请使用简单的文件名，例如 slides.pdf。",
    "zh-Hant": "請使用簡單的檔名，例如 slides.pdf。",
  },
  unknown: {
    en: "There is nothing of that name here. Choose another.",
    ru: "Такого здесь нет. Выберите другое.",
    "zh-Hans": "此处没有该项。请另选一个。",
    "zh-Hant": "此處沒有該項。請另選一個。",
  },
  invalid: {
    en: "This is not accepted. Check it and try again.",
    ru: "Это значение не принимается. Проверьте его и повторите попытку.",
    "zh-Hans": "此内容无法接受。请检查后重试。",
    "zh-Hant": "此內容無法接受。請檢查後重試。",
  },
};
