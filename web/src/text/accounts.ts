// Logging in, registering, the first administrator.
export const accounts = {
  logIn: { en: "Log in", ru: "Войти", "zh-Hans": "登录", "zh-Hant": "登入" },
  register: {
    en: "Make an account",
    ru: "Создать учётную запись",
    "zh-Hans": "注册账户",
    "zh-Hant": "註冊帳戶",
  },
  email: { en: "E-mail address", ru: "Адрес эл. почты", "zh-Hans": "邮箱地址", "zh-Hant": "電子郵件地址" },
  password: { en: "Password", ru: "Пароль", "zh-Hans": "密码", "zh-Hant": "密碼" },
  passwordHint: {
    en: "At least ten characters; a few words in a row are best.",
    ru: "Не меньше десяти символов; лучше всего несколько слов подряд.",
    "zh-Hans": "至少十个字符，使用几个连续的词语最佳。",
    "zh-Hant": "至少十個字元，使用幾個連續的詞語最佳。",
  },
  name: { en: "Your name", ru: "Ваше имя", "zh-Hans": "您的姓名", "zh-Hant": "您的姓名" },
  nameHint: {
    en: "Others see it next to your picture and your captions.",
    ru: "Его увидят рядом с вашим изображением и субтитрами.",
    "zh-Hans": "显示在您的画面和字幕旁边。",
    "zh-Hant": "顯示在您的畫面和字幕旁邊。",
  },
  noAccount: {
    en: "No account yet?",
    ru: "Ещё нет учётной записи?",
    "zh-Hans": "还没有账户？",
    "zh-Hant": "還沒有帳戶？",
  },
  haveAccount: {
    en: "Have an account already?",
    ru: "Уже есть учётная запись?",
    "zh-Hans": "已有账户？",
    "zh-Hant": "已有帳戶？",
  },
  invited: {
    en: "Were you invited? Then you need no account: open the link of your invitation.",
    ru: "Вас пригласили? Учётная запись не нужна: откройте ссылку из приглашения.",
    "zh-Hans": "收到邀请了？无需账户，直接打开邀请链接即可。",
    "zh-Hant": "收到邀請了？無需帳戶，直接開啟邀請連結即可。",
  },
  closed: {
    en: "Nobody can register here. An administrator makes accounts.",
    ru: "Регистрация закрыта. Учётные записи создаёт администратор.",
    "zh-Hans": "此处未开放注册，账户由管理员创建。",
    "zh-Hant": "此處未開放註冊，帳戶由管理員建立。",
  },
  loggingInBy: {
    en: "Log in with {name}",
    ru: "Войти через {name}",
    "zh-Hans": "使用 {name} 登录",
    "zh-Hant": "使用 {name} 登入",
  },
  providerFailed: {
    en: "Logging in there did not work. Begin again, or log in with a password.",
    ru: "Войти таким способом не удалось. Начните снова или войдите с паролем.",
    "zh-Hans": "通过该方式登录失败。请重新开始，或使用密码登录。",
    "zh-Hant": "透過該方式登入失敗。請重新開始，或使用密碼登入。",
  },
  or: { en: "or", ru: "или", "zh-Hans": "或", "zh-Hant": "或" },
  setUp: {
    en: "Make the first administrator",
    ru: "Первый администратор",
    "zh-Hans": "创建首位管理员",
    "zh-Hant": "建立首位管理員",
  },
  setUpText: {
    en: "This link works once. Whoever uses it looks after everybody's rooms and lectures. With the password of an account that there is, that account becomes the administrator's.",
    ru: "Ссылка действует один раз. Администратор управляет всеми комнатами и лекциями. Если указать данные существующей учётной записи, администратором станет она.",
    "zh-Hans":
      "此链接仅可使用一次。管理员可管理所有房间和讲座。若填写已有账户的邮箱和密码，该账户将成为管理员。",
    "zh-Hant":
      "此連結僅可使用一次。管理員可管理所有房間和講座。若填寫已有帳戶的信箱和密碼，該帳戶將成為管理員。",
  },
  newPassword: { en: "New password", ru: "Новый пароль", "zh-Hans": "新密码", "zh-Hant": "新密碼" },
  newPasswordText: {
    en: "This link works once. The old password ends, and whoever is logged in by it is logged out.",
    ru: "Ссылка действует один раз. Старый пароль перестанет действовать, а вошедшие с ним выйдут.",
    "zh-Hans": "此链接仅可使用一次。旧密码将失效，已登录的设备会退出。",
    "zh-Hant": "此連結僅可使用一次。舊密碼將失效，已登入的裝置會登出。",
  },
  newPasswordSave: {
    en: "Save and log in",
    ru: "Сохранить и войти",
    "zh-Hans": "保存并登录",
    "zh-Hant": "儲存並登入",
  },
  setUpIncomplete: {
    en: "This link has lost its token. Open the whole link that the service printed when it started.",
    ru: "В ссылке нет токена. Откройте целиком ссылку, которую сервис вывел при запуске.",
    "zh-Hans": "链接缺少令牌。请完整打开服务启动时输出的链接。",
    "zh-Hant": "連結缺少權杖。請完整開啟服務啟動時輸出的連結。",
  },
};
