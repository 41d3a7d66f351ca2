// Blurred backgrounds.
export const blur = {
  blur: { en: "Blur my background", ru: "Размыть фон", "zh-Hans": "模糊背景", "zh-Hant": "模糊背景" },
  preparing: {
    en: "Preparing the blur…",
    ru: "Подготовка размытия…",
    "zh-Hans": "正在准备背景模糊…",
    "zh-Hant": "正在準備背景模糊…",
  },
  failed: {
    en: "The blur could not be loaded, so your camera is not shown. Check your connection and try again, or turn the blur off.",
    ru: "Размытие не загрузилось, поэтому камера не показывается. Проверьте соединение и повторите или отключите размытие.",
    "zh-Hans": "背景模糊加载失败，因此不显示您的摄像头画面。请检查网络后重试，或关闭模糊。",
    "zh-Hant": "背景模糊載入失敗，因此不顯示您的攝影機畫面。請檢查網路後重試，或關閉模糊。",
  },
  unsupported: {
    en: "This browser can't blur backgrounds, so your camera is not shown. Turn the blur off, or use a newer browser.",
    ru: "Этот браузер не умеет размывать фон, поэтому камера не показывается. Отключите размытие или возьмите более новый браузер.",
    "zh-Hans": "此浏览器无法模糊背景，因此不显示您的摄像头画面。请关闭模糊，或使用较新的浏览器。",
    "zh-Hant": "此瀏覽器無法模糊背景，因此不顯示您的攝影機畫面。請關閉模糊，或使用較新的瀏覽器。",
  },
  slow: {
    en: "Blurring is hard work for this device: your picture moves less smoothly.",
    ru: "Размытие даётся этому устройству с трудом: изображение будет менее плавным.",
    "zh-Hans": "模糊背景对此设备负担较重，您的画面会不够流畅。",
    "zh-Hant": "模糊背景對此裝置負擔較重，您的畫面會不夠流暢。",
  },
  retry: { en: "Try again", ru: "Повторить", "zh-Hans": "重试", "zh-Hant": "重試" },
};
