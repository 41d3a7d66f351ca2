import styles from "./admin.module.css";

const [WIDTH, HEIGHT] = [240, 48];

/** Values over time as a line from nothing up to the highest; what it says stands beside it as a number. */
export function Line({ values }: { values: readonly number[] }) {
  const highest = Math.max(1, ...values);
  // One value is a line too.
  const all = values.length === 1 ? [...values, ...values] : values;
  const step = WIDTH / Math.max(1, all.length - 1);
  const points = all.map((value, index) => {
    const y = HEIGHT - 2 - (value / highest) * (HEIGHT - 4);
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg className={styles["line"]} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
      <polyline points={points.join(" ")} fill="none" stroke="currentColor" strokeWidth="2" />
    </svg>
  );
}
